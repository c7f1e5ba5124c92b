//! One tool: its deed, its place in the ledger, and the faults that it was told to have.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_tool::{Answer, CallContext, EffectBegins, Tool, ToolFailure};
use holdfast_types::worker::ProbeAnswer;
use holdfast_types::{Key, Payload, Reason, SideEffect, ToolManifest};
use serde_json::{Value, json};

use crate::deeds::{Deed, Undo, digest};
use crate::ledger::{Entry, Repeats, Target, Written};
use crate::{Fault, FaultPlan, Ledger, LedgerError, mishap};

pub(crate) struct TripTool {
    pub(crate) manifest: ToolManifest,
    pub(crate) deed: Deed,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Arc<FaultPlan>,
}

#[async_trait]
impl Tool for TripTool {
    fn manifest(&self) -> ToolManifest {
        self.manifest.clone()
    }

    fn effect_begins(&self) -> EffectBegins {
        EffectBegins::AtCheck
    }

    async fn call(&self, ctx: CallContext, args: Value) -> Result<Answer, ToolFailure> {
        let fault = self.fault().await?;
        mishap::before_effect(fault, &ctx).await?;
        let answer = match self.deed {
            Deed::Look(look) => look(&args).into(),
            Deed::Act(act) => self.act(&ctx, &args, &act(&args)).await?,
            Deed::Undo(undo) => self.undo(&ctx, &args, undo).await?,
        };
        mishap::after_effect(fault, &ctx, answer).await
    }

    async fn probe(&self, key: &Key, _args: Value) -> ProbeAnswer {
        // A hotel can't be asked, and a look leaves nothing to ask for.
        if self.manifest.side_effect != SideEffect::Verifiable {
            return ProbeAnswer::Unknown;
        }
        match self.ledger.standing(self.name(), key).await {
            Ok(Some(result)) => ProbeAnswer::Done { result: Payload::Json(result) },
            Ok(None) => ProbeAnswer::NotDone,
            Err(error) => {
                tracing::warn!(tool = self.name(), %error, "the ledger can't be asked");
                ProbeAnswer::Unknown
            }
        }
    }
}

impl TripTool {
    fn name(&self) -> &str {
        self.manifest.name.as_str()
    }

    /// Counts the call, and says what goes wrong with it. Only tools that are told to fail are counted.
    async fn fault(&self) -> Result<Option<Fault>, ToolFailure> {
        if !self.faults.names(self.name()) {
            return Ok(None);
        }
        let n = self.ledger.count(self.name()).await.map_err(|error| unavailable(&error).not_executed())?;
        let fault = self.faults.of(self.name(), n);
        if let Some(fault) = fault {
            tracing::info!(tool = self.name(), n, ?fault, "told to fail");
        }
        Ok(fault)
    }

    fn entry<'a>(&'a self, ctx: &'a CallContext, args: &Value) -> Entry<'a> {
        let repeats = match self.manifest.side_effect {
            SideEffect::Idempotent => Repeats::AreFound,
            SideEffect::ReadOnly | SideEffect::Verifiable | SideEffect::Unsafe => Repeats::HappenAgain,
        };
        Entry { tool: self.name(), facts: ctx.facts(), args_sha256: digest(args), repeats }
    }

    async fn act(&self, ctx: &CallContext, args: &Value, result: &Value) -> Result<Answer, ToolFailure> {
        let entry = self.entry(ctx, args);
        ctx.before_effect()?;
        let written = self.ledger.act(&entry, result).await.map_err(|error| unavailable(&error))?;
        Ok(answer(written))
    }

    /// Takes back what was done; of what was never done there is nothing to take back, and no row.
    async fn undo(&self, ctx: &CallContext, args: &Value, undo: Undo) -> Result<Answer, ToolFailure> {
        let given = |name: &str| args[name].as_str().unwrap_or_default();
        let (reference, call_key) = (given(undo.field), given("call_key"));
        let target = Target { tool: undo.of, field: undo.field, reference, call_key };
        let entry = self.entry(ctx, args);
        ctx.before_effect()?;
        let undone = self.ledger.take_back(&entry, &target).await.map_err(|error| unavailable(&error))?;
        Ok(undone.map_or_else(|| json!({ "undone": false, undo.field: reference }).into(), answer))
    }
}

fn answer(written: Written) -> Answer {
    match written {
        Written::Now(result) => Answer::new(result),
        Written::Before(result) => Answer::replayed(result),
    }
}

fn unavailable(error: &LedgerError) -> ToolFailure {
    ToolFailure::transient(error.to_string()).reason(Reason::DependencyUnavailable)
}
