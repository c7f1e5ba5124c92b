//! The suite that every backend of the storage ports must pass: SQLite here, others and the remote client elsewhere.
//!
//! A backend's test file holds one line, `holdfast_store::suite!(crate::fixture);`, where `fixture` is an async
//! function that makes a [`Fixture`] over a fresh, empty store. Every case is a plain async function too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

pub mod append;
pub mod blobs;
pub mod checkpoints;
pub mod claims;
pub mod create;
mod driver;
mod fixture;
pub mod follow;
pub mod forks;
pub mod inbox;
pub mod key_claims;
pub mod key_verbs;
pub mod last_good;
pub mod poison;
pub mod restores;
pub mod sessions;
pub mod snapshots;
pub mod tasks;

pub use driver::{Driver, driven, event, fingerprint, ids, key, row, spec};
pub use fixture::{Fixture, ManualClock};

/// Makes each case of the suite a `#[tokio::test]`, on a fresh fixture. The path must be absolute
/// (`crate::fixture`).
#[macro_export]
macro_rules! suite {
    ($fixture:path) => {
        $crate::suite_cases! { $fixture;
            create {
                the_same_id_and_body_is_the_same_task,
                another_body_is_a_conflict,
                a_full_queue_refuses,
                a_claimant_needs_a_session,
                first_events_refer_to_stored_blobs_only,
            }
            forks {
                a_fork_brings_its_events_and_keeps_the_source_s_blobs,
                a_fork_counts_in_what_it_relies_on,
                a_source_asks_before_it_undoes_what_a_fork_relies_on,
                what_stands_no_more_is_not_relied_on,
                a_refused_fork_leaves_no_trace,
                the_same_fork_is_the_same_task,
                a_fork_needs_its_source,
                a_fork_outlives_its_source,
                a_long_fork_comes_whole,
            }
            append {
                events_are_numbered_without_gaps,
                a_stale_epoch_is_refused,
                another_owner_is_refused,
                a_claim_that_was_given_back_writes_no_more,
                a_wrong_place_is_refused_with_the_right_one,
                the_same_append_again_is_success,
                an_earlier_append_again_is_a_mismatch,
                an_unknown_task_is_refused,
                a_refused_append_leaves_no_trace,
                neighbours_of_refused_appends_succeed,
                an_append_may_hold_no_events,
                the_row_says_where_the_task_is,
                many_events_fit_in_one_append,
            }
            claims {
                a_queued_task_is_claimed_once,
                a_claim_fences_the_driver_before,
                a_held_task_is_not_claimed,
                a_waiting_task_is_claimed_when_its_time_comes,
                a_finished_task_wakes_for_a_message_only,
                a_quarantined_task_wakes_for_a_message_only,
                a_message_before_the_give_back_is_not_overslept,
                a_handled_message_wakes_nobody,
                one_task_is_claimed_by_name,
                a_release_wakes_the_task,
                a_release_of_an_old_claim_is_ignored,
                claims_are_bounded,
                a_long_queue_keeps_no_other_namespace_waiting,
                turns_go_round_from_claim_to_claim,
                the_best_priority_of_a_namespace_is_claimed_first,
            }
            sessions {
                a_claim_needs_a_session,
                tasks_of_a_silent_instance_are_free_when_its_lease_ends,
                a_renewed_session_keeps_its_tasks,
                a_session_says_how_many_there_are,
                a_closed_session_frees_its_tasks_at_once,
                a_session_that_has_ended_is_not_renewed,
                a_renewal_tells_of_unknown_claims,
                a_new_session_frees_what_the_old_one_held,
                a_finished_task_of_a_dead_session_is_nobodys,
            }
            restores {
                a_restore_is_marked_once_and_found_by_whoever_opens_a_session,
                a_look_changes_nothing,
                a_store_at_work_is_not_marked,
                a_moment_that_is_to_come_is_refused,
            }
            poison {
                lives_without_an_outcome_are_counted,
                an_outcome_ends_the_count,
                a_release_ends_the_count,
                a_session_end_that_the_process_survives_does_not_count,
            }
            key_claims {
                a_claim_is_exclusive,
                two_claims_at_once_have_one_winner,
                a_takeover_goes_on_with_its_own_claim,
                an_append_tells_the_tokens_of_its_claims,
                a_claim_with_other_arguments_is_refused,
                a_settled_key_answers_later_claims,
                a_key_that_was_given_back_is_free,
                doubt_blocks_everybody_but_its_own_driver,
                a_tombstone_refuses_the_late_forward_call,
                an_undone_key_is_free_in_the_next_generation,
                two_repeats_of_one_generation_make_one,
                answers_to_other_tasks_are_counted,
                what_others_were_answered_from_is_not_undone_unasked,
                a_stranger_settles_nothing,
                a_lost_row_is_put_back_by_its_outcome,
                a_result_needs_its_blob,
            }
            key_verbs {
                a_completed_key_is_replayed,
                a_repeat_opens_the_next_generation,
                two_repeats_of_one_generation_make_one_operation,
                only_the_last_generation_is_repeated_and_only_once_it_has_ended,
                a_completed_key_answers_tasks_too,
                other_arguments_are_a_mismatch,
                a_permanent_failure_is_replayed,
                a_concurrent_caller_waits_for_the_result,
                a_lease_that_ends_leaves_doubt,
                a_release_never_takes_back_an_earlier_attempt,
                a_released_first_attempt_leaves_the_key_free,
                an_old_token_is_fenced_and_its_result_kept,
                a_lease_is_prolonged,
                tokens_grow_though_the_clock_steps_back,
                a_task_is_not_robbed_by_a_foreign_caller,
                a_foreign_lease_is_not_robbed_by_a_task,
                a_worker_offers_evidence_and_settles_nothing,
                the_same_call_goes_on_under_a_higher_epoch,
                a_key_is_forgotten_after_its_retention,
                a_key_of_a_task_is_kept_as_long_as_the_task,
                an_operator_removes_keys_that_are_not_open,
                keys_are_listed_by_prefix,
                an_unknown_key_has_no_token,
            }
            last_good {
                a_result_is_found_by_its_tool_and_arguments_in_its_namespace,
                the_newest_result_replaces_an_older_one,
                an_append_that_is_refused_or_repeated_records_nothing_more,
                a_result_is_kept_as_long_as_anybody_may_ask_for_it,
                a_large_result_is_kept_with_its_blob,
            }
            inbox {
                messages_are_read_oldest_first,
                the_same_message_is_stored_once,
                a_handled_message_does_not_come_back,
                a_refused_append_handles_nothing,
                an_unknown_task_has_no_inbox,
                a_message_raises_no_epoch,
                a_message_is_told,
            }
            blobs {
                content_comes_back,
                unknown_content_is_not_found,
                too_much_is_refused,
                an_append_refers_to_stored_blobs_only,
                only_what_nobody_refers_to_is_collected,
                a_touch_saves_from_the_collector,
                a_key_keeps_its_result,
            }
            checkpoints {
                the_newest_comes_back_with_its_writes,
                the_same_checkpoint_again_is_success,
                a_list_goes_backwards,
                a_thread_is_copied,
                old_checkpoints_are_pruned,
            }
            tasks {
                an_unknown_task_is_not_found,
                a_list_has_pages_newest_first,
                a_list_is_filtered,
                a_strange_page_token_is_refused,
                finished_tasks_are_removed_with_all_that_is_theirs,
                what_still_has_work_is_not_removed,
            }
            follow {
                a_follower_sees_everything_in_order,
                a_follower_resumes_anywhere,
                an_unknown_task_is_not_followed,
                a_slow_follower_holds_nobody_up,
                a_follower_hears_of_the_removal,
            }
            snapshots {
                a_load_begins_at_the_newest_snapshot,
                a_snapshot_of_the_future_is_refused,
                a_finished_task_keeps_no_snapshot,
                a_task_that_is_opened_again_is_folded_from_its_events,
            }
        }
    };
}

/// Makes the cases that need no task `#[tokio::test]`s, for a key table without a journal beside it: of the fixture
/// they use `keys` and the clock alone.
#[macro_export]
macro_rules! key_table_suite {
    ($fixture:path) => {
        $crate::suite_cases! { $fixture;
            key_verbs {
                a_completed_key_is_replayed,
                a_repeat_opens_the_next_generation,
                two_repeats_of_one_generation_make_one_operation,
                only_the_last_generation_is_repeated_and_only_once_it_has_ended,
                other_arguments_are_a_mismatch,
                a_permanent_failure_is_replayed,
                a_concurrent_caller_waits_for_the_result,
                a_lease_that_ends_leaves_doubt,
                a_release_never_takes_back_an_earlier_attempt,
                a_released_first_attempt_leaves_the_key_free,
                an_old_token_is_fenced_and_its_result_kept,
                a_lease_is_prolonged,
                tokens_grow_though_the_clock_steps_back,
                keys_are_listed_by_prefix,
                an_unknown_key_has_no_token,
            }
        }
    };
}

/// Makes the cases of what a store itself does and no remote client: beside [`suite!`], in a module of its own.
#[macro_export]
macro_rules! local_suite {
    ($fixture:path) => {
        $crate::suite_cases! { $fixture;
            sessions {
                a_session_that_fell_silent_is_ended_early,
                a_session_that_was_heard_of_since_goes_on,
            }
        }
    };
}

/// Expands the list of [`suite!`].
#[doc(hidden)]
#[macro_export]
macro_rules! suite_cases {
    ($fixture:path; $($module:ident { $($case:ident,)+ })+) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $case() {
                let fixture = $fixture().await;
                $crate::suite::$module::$case(&fixture).await;
            })+
        })+
    };
}
