//! The request path: receive → first sight? → principal → intent → permission → handler → reply.

mod admission;
pub mod ask;
mod budget;
pub mod cards;
mod channels;
mod incidents;
pub mod intent;
pub mod outbox;
pub mod people;
pub mod receipt;
pub mod receive;
mod scope;
mod suggest;

use std::{sync::Arc, time::Instant};

use chat::{Assurance, Card, ChatAdapter, ChatError, Inbound, Origin, UserRef};
use serde::Serialize;

use crate::{
    access::{Permission, Principal, PrincipalId, Refusal, RefusalKind},
    app::App,
    metrics::{Fleet, MetricsError, Unit},
    store::{Actor, StoreError},
};
use ask::Asking;
use incidents::Speaking;
use intent::{Intent, Interpretation, interpret};
use people::RoleChange::{Grant, Revoke};

/// Answers people.
#[derive(Clone)]
pub struct Bot {
    app: Arc<App>,
    /// Where people talk.
    adapters: Arc<[Arc<dyn ChatAdapter>]>,
    /// The operating-system user who speaks in other people's names.
    via: Option<UserRef>,
}

/// Everything that came of one event.
pub struct Reply {
    /// What was understood.
    pub intent: Intent,
    /// Who asked, when known.
    pub principal: Option<PrincipalId>,
    /// What is shown.
    pub card: Card,
    /// The answer behind the card, or why there is none.
    pub outcome: Result<Answer, Refusal>,
}

/// An answer with what it rests on.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// What is shown.
    pub card: Card,
    /// Where its numbers come from.
    pub evidence: Vec<Evidence>,
    /// Who found the words.
    pub source: Source,
}

/// Who found the words of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Fixed rules.
    #[default]
    Rules,
}

/// A query and what it gave: every number shown has one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// As asked of the metrics source.
    pub query: String,
    /// The moment the numbers are of.
    pub at: chrono::DateTime<chrono::Utc>,
    /// How old the answer was when it was used, if it came from the cache.
    pub cached_seconds: Option<u64>,
    /// The numbers used.
    pub values: Vec<EvidenceValue>,
}

/// One number of an [`Evidence`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvidenceValue {
    /// Of which host.
    pub host: String,
    /// Of which part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The number; `null` in JSON when it is not finite.
    pub value: f64,
    /// What it is in.
    pub unit: Unit,
}

/// Why a handler gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Meant for the person.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The metrics source did not answer.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The database did not answer.
    #[error(transparent)]
    Store(StoreError),
    /// A platform did not do something.
    #[error(transparent)]
    Platform(#[from] ChatError),
    /// A picture could not be drawn.
    #[error(transparent)]
    Chart(#[from] crate::chart::ChartError),
}

impl Reply {
    /// Says why there is no answer.
    pub fn refused(intent: Intent, refusal: Refusal) -> Self {
        Self { intent, principal: None, card: cards::refusal(&refusal), outcome: Err(refusal) }
    }
}

impl Bot {
    /// A bot of these parts.
    pub fn new(app: Arc<App>) -> Self {
        Self { app, adapters: Arc::new([]), via: None }
    }

    /// The same bot, which can ask these platforms for more than messages.
    #[must_use]
    pub fn on(self, adapters: &[Arc<dyn ChatAdapter>]) -> Self {
        Self { adapters: adapters.into(), ..self }
    }

    /// The same bot, whose events were all typed by this operating-system user, whoever they name
    /// as the speaker. The audit says so.
    #[must_use]
    pub fn typed_by(self, user: UserRef) -> Self {
        Self { via: Some(user), ..self }
    }

    /// The parts it is made of.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Answers one event. Never fails: what went wrong is in the reply. `chart` asks for a picture
    /// whatever the words were.
    #[tracing::instrument(name = "inbound", skip_all, fields(event.id = %event.id, event.from = %event.from))]
    pub async fn answer(&self, event: &Inbound, chart: bool) -> Reply {
        let started = Instant::now();
        // Boxed: every handler is in this future, and its callers keep it on their stacks.
        let (intent, principal, outcome) = Box::pin(self.consider(event, chart)).await;
        let outcome = outcome.map_err(|failure| self.explain(failure));
        let (card, label) = match &outcome {
            Ok(answer) => (answer.card.clone(), "answered"),
            Err(refusal) => (cards::refusal(refusal), "refused"),
        };
        let meters = &self.app.meters;
        meters.answers.with_label_values(&[intent.name(), label]).inc();
        meters.answer_seconds.observe(started.elapsed().as_secs_f64());
        Reply { intent, principal, card, outcome }
    }

    async fn consider(
        &self,
        event: &Inbound,
        chart: bool,
    ) -> (Intent, Option<PrincipalId>, Result<Answer, Failure>) {
        // Without a metrics source the fleet is empty, but help and access still work.
        let (fleet, down) = match self.app.metrics.fleet().await {
            Ok(fleet) => (fleet, None),
            Err(error) => (Arc::default(), Some(error)),
        };
        let interpretation = interpret(event, &fleet, self.app.now());
        let intent = interpretation.intent.clone();
        let principal = match self.principal(event).await {
            Ok(principal) => principal,
            Err(error) => return (intent, None, Err(error.into())),
        };
        let outcome = self.carry_out(event, &principal, interpretation, &fleet, down, chart).await;
        (intent, principal.id, outcome)
    }

    async fn carry_out(
        &self,
        event: &Inbound,
        principal: &Principal,
        interpretation: Interpretation,
        fleet: &Fleet,
        down: Option<MetricsError>,
        chart: bool,
    ) -> Result<Answer, Failure> {
        let Interpretation { intent, notes, unknown_hosts, usage } = interpretation;
        if event.assurance == Assurance::Unproven && !intent.is_harmless() {
            return Err(cards::unproven(intent.permission()).into());
        }
        let down = match down {
            // Where their hosts are is not known now, so neither is what they may.
            Some(error) if scope::depends_on_the_fleet(principal, &intent) => {
                return Err(error.into());
            }
            down => down,
        };
        let hosts = scope::permitted(principal, &intent, fleet, &unknown_hosts)?;
        if let Some(usage) = usage {
            return Err(Refusal::new(RefusalKind::Usage, usage).into());
        }
        if intent.needs_metrics()
            && let Some(error) = down
        {
            return Err(error.into());
        }
        if let Some(unknown) = unknown_hosts.first() {
            let visible = scope::visible(principal, fleet);
            return Err(cards::unknown_host(unknown, fleet, &visible).into());
        }
        let asking = Asking { app: &self.app, fleet, hosts, chart };
        let mut answer = match &intent {
            Intent::Metric { .. } => asking.metric(&intent).await?,
            Intent::Forecast { metric, .. } => asking.forecast(*metric).await?,
            Intent::Status { .. } => asking.status().await?,
            Intent::Query { promql } => asking.query(promql).await?,
            Intent::Help {} => {
                cards::help(principal.best_role(), &scope::visible(principal, fleet)).into()
            }
            Intent::Unknown {} => cards::not_understood(principal.best_role()).into(),
            Intent::Whoami {} => cards::whoami(principal, &event.display_name).into(),
            Intent::Link { code, confirmed } => {
                let confirmed = *confirmed && !event.edited && event.origin != Origin::Overheard;
                self.link(principal, code.as_deref(), confirmed).await?.into()
            }
            Intent::Grant { role, user, environment } => self
                .change_role(principal, Grant, *role, user.as_deref(), environment.as_deref())
                .await?
                .into(),
            Intent::Revoke { role, user, environment } => self
                .change_role(principal, Revoke, *role, user.as_deref(), environment.as_deref())
                .await?
                .into(),
            Intent::Verify { user } => self.verify(user.as_deref()).await?.into(),
            Intent::Anomalies { .. }
            | Intent::Incidents { .. }
            | Intent::Incident { .. }
            | Intent::ShadowReport { .. }
            | Intent::Acknowledge { .. }
            | Intent::Unacknowledge { .. }
            | Intent::NewNormal { .. }
            | Intent::Silence { .. }
            | Intent::Resolve { .. }
            | Intent::Feedback { .. } => {
                let name = &event.display_name;
                let (named, hosts) = (intent.hosts(), asking.hosts.clone());
                let conversation = &event.conversation;
                let speaking = Speaking { principal, name, conversation, named, hosts };
                self.about_incidents(&intent, &speaking).await?.into()
            }
            Intent::Channel { change } => {
                self.channel(principal, &event.conversation, change.as_ref(), fleet).await?.into()
            }
            Intent::Remediate { .. }
            | Intent::Approve { .. }
            | Intent::Reject { .. }
            | Intent::Approvals {}
            | Intent::Executions { .. }
            | Intent::Logs { .. }
            | Intent::Runbooks {} => return Err(cards::not_available(&intent).into()),
        };
        cards::show_reading(&mut answer.card, &notes);
        Ok(answer)
    }

    /// Who speaks, and what they may do at this moment.
    async fn principal(&self, event: &Inbound) -> Result<Principal, StoreError> {
        let (store, from, name) = (&self.app.store, &event.from, &event.display_name);
        let principal = match event.origin {
            // Nobody is told a code for talking to others.
            Origin::Overheard => store.acquaintance(from, name).await?,
            Origin::Addressed | Origin::Command | Origin::Button => {
                store.principal(from, name).await?
            }
        };
        Ok(self.with_console_role(principal))
    }

    /// Whoever speaks from this account, as the audit names them.
    fn actor(&self, identity: &UserRef, principal: Option<&PrincipalId>) -> Actor {
        let (identity, principal) = (identity.clone(), principal.cloned());
        match &self.via {
            Some(via) if *via != identity => {
                Actor::Through { identity, principal, via: via.clone() }
            }
            _ => Actor::Person { identity, principal },
        }
    }

    /// The operating-system user at the console has the configured role without a grant.
    fn with_console_role(&self, mut principal: Principal) -> Principal {
        if principal.identity == crate::people::console_user() {
            let id =
                principal.id.clone().unwrap_or_else(|| PrincipalId(principal.identity.to_string()));
            principal.bindings.push(crate::access::RoleBinding {
                principal: id.clone(),
                role: self.app.config.access.console_role,
                environment: None,
            });
            principal.id = Some(id);
        }
        principal
    }

    /// The one place where a failure becomes a sentence.
    fn explain(&self, failure: Failure) -> Refusal {
        match failure {
            Failure::Refused(refusal) => refusal,
            Failure::Metrics(error) => {
                self.app.meters.metrics_failures.inc();
                tracing::warn!(%error, "the metrics source did not answer");
                cards::metrics_unavailable(&error, self.app.now())
            }
            Failure::Store(error) => {
                self.app.meters.store_failures.inc();
                tracing::error!(%error, "the database did not answer");
                cards::database_unavailable(&error)
            }
            Failure::Platform(error) => {
                tracing::warn!(%error, "a platform did not do something");
                Refusal::new(RefusalKind::NotAvailable, format!("It was not done: {error}"))
            }
            Failure::Chart(error) => {
                tracing::error!(%error, "a picture could not be drawn");
                Refusal::new(RefusalKind::NotAvailable, error.to_string())
            }
        }
    }
}

impl From<StoreError> for Failure {
    /// What was decided next to the data is a refusal like any other, and no failure.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => Self::Refused(refusal),
            error => Self::Store(error),
        }
    }
}

impl From<Card> for Answer {
    fn from(card: Card) -> Self {
        Self { card, ..Self::default() }
    }
}

impl Intent {
    /// Whether it may be said by somebody of whom the platform proves nothing: it asks, and neither
    /// changes anything nor shows what only few may see.
    fn is_harmless(&self) -> bool {
        match self.permission() {
            Permission::Introduce => !matches!(self, Self::Link { confirmed: true, .. }),
            Permission::Ask => true,
            Permission::ManageIncidents
            | Permission::ConfigureChannels
            | Permission::ReadLogs
            | Permission::RawQuery
            | Permission::RequestAction
            | Permission::ApproveAction(_)
            | Permission::ManageAccess => false,
        }
    }

    /// Whether it can only be answered with numbers.
    fn needs_metrics(&self) -> bool {
        self.permission() == Permission::RawQuery
            || matches!(self, Self::Metric { .. } | Self::Forecast { .. } | Self::Status { .. })
    }
}
