//! The place at which replicas of `health` meet.

use std::time::Duration;

use holdfast_ports::{BreakerShare, ShareAnswer, ShareRole, ShareWord, Vacancy};
use holdfast_store::{RedisBreakers, RedisConfig};
use holdfast_testkit::Redis;

use crate::world::patient;

const LEASE: Duration = Duration::from_secs(30);

fn word(replica: &str, board: Option<&str>, letters: &[&str]) -> ShareWord {
    ShareWord {
        replica: replica.to_owned(),
        lease: LEASE,
        vacancy: Vacancy::Take,
        board: board.map(|board| board.as_bytes().to_vec()),
        present: format!("watchers of {replica}").into_bytes(),
        letters: letters.iter().map(|letter| letter.as_bytes().to_vec()).collect(),
    }
}

fn board(answer: &ShareAnswer) -> Option<String> {
    answer.board.as_ref().map(|(board, _)| String::from_utf8(board.clone()).unwrap())
}

#[tokio::test]
async fn one_replica_is_the_owner_only_its_board_is_taken_and_letters_are_read_once() {
    let redis = Redis::start().unwrap();
    let place = RedisBreakers::new(&patient(&redis)).unwrap();
    let other = RedisBreakers::new(&patient(&redis)).unwrap();
    let first = place.exchange(word("a", Some("early"), &[])).await.unwrap();
    assert_eq!((first.role, board(&first)), (ShareRole::NewOwner, None));
    let again = place.exchange(word("a", Some("of a"), &[])).await.unwrap();
    assert_eq!(
        (again.role, board(&again)),
        (ShareRole::Owner, None),
        "what came with its first word was not taken"
    );
    let follower = other.exchange(word("b", Some("of b"), &["one", "two"])).await.unwrap();
    assert_eq!((follower.role, board(&follower).as_deref()), (ShareRole::Follower, Some("of a")));
    let owner = place.exchange(word("a", Some("of a"), &[])).await.unwrap();
    assert_eq!(owner.letters, [b"one".to_vec(), b"two".to_vec()]);
    assert_eq!(owner.present, [b"watchers of b".to_vec()]);
    assert!(place.exchange(word("a", None, &[])).await.unwrap().letters.is_empty());

    // It goes: the next one starts from what it published.
    place.leave("a").await.unwrap();
    let next = other.exchange(word("b", Some("of b"), &[])).await.unwrap();
    assert_eq!((next.role, board(&next).as_deref()), (ShareRole::NewOwner, Some("of a")));
    assert!(next.present.is_empty());
    let late = place.exchange(word("a", Some("late"), &[])).await.unwrap();
    assert_eq!((late.role, board(&late)), (ShareRole::Follower, None), "the new owner has said nothing yet");
    other.exchange(word("b", Some("of b"), &[])).await.unwrap();
    let follower = place.exchange(word("a", Some("late"), &[])).await.unwrap();
    assert_eq!(board(&follower).as_deref(), Some("of b"));
}

#[tokio::test]
async fn a_lease_that_ran_out_is_anothers_and_an_emptied_place_only_whose_turn_it_is() {
    let mut redis = Redis::start().unwrap();
    let place = RedisBreakers::new(&patient(&redis)).unwrap();
    let short = ShareWord { lease: Duration::from_millis(1), ..word("a", None, &[]) };
    place.exchange(short).await.unwrap();
    // The clock of Redis decides, and it has moved by the time of two answers.
    redis.ask(&["PING"]).unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(place.exchange(word("b", None, &[])).await.unwrap().role, ShareRole::NewOwner);

    redis.flush().unwrap();
    let leaves = ShareWord { vacancy: Vacancy::Leave, ..word("a", None, &["kept"]) };
    assert_eq!(place.exchange(leaves).await.unwrap().role, ShareRole::Nobody);
    let owner = place.exchange(word("b", None, &[])).await.unwrap();
    assert_eq!((owner.role, owner.letters.len()), (ShareRole::NewOwner, 1));

    // No script is left out of a cluster: its names have one hash tag.
    let names = redis.ask(&["KEYS", "*"]).unwrap();
    assert!(names.lines().filter(|name| !name.is_empty()).all(|name| name.contains("{board}")), "{names}");
    redis.kill().unwrap();
    assert!(place.exchange(word("b", None, &[])).await.is_err());
}

#[tokio::test]
async fn a_wrong_prefix_is_refused() {
    let wrong = RedisConfig { prefix: "a{b}".into(), ..RedisConfig::new("redis://127.0.0.1:1") };
    assert!(RedisBreakers::new(&wrong).is_err_and(|error| error.to_string().contains("prefix")));
}
