//! `roles grant|revoke|list`: access from the machine itself, for the first Admin and for scripts.

use chat::{Block, Card, Table, UserRef};
use clap::Subcommand;

use super::{CliError, SUCCESS, say, style_of_stdout};
use crate::{
    access::Role,
    bot::people::{RoleChange, change_role},
    clock::Clock,
    config::Config,
    format,
    people::console_user,
    store::{Actor, AuditEvent, Store, StoreError, Subject},
};

/// What can be done with roles.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Give a person a role
    Grant(Binding),
    /// Take a role from a person
    Revoke(Binding),
    /// Print who has which role
    List,
}

/// A role of a person.
#[derive(clap::Args)]
pub(super) struct Binding {
    /// guest, viewer, operator or admin
    role: Role,
    /// Who: the platform's stable id, never a display name
    #[arg(value_name = "PLATFORM:WORKSPACE:USER")]
    user: UserRef,
    /// Only in this environment
    #[arg(long, value_name = "ENVIRONMENT")]
    environment: Option<String>,
}

pub(super) async fn run(config: Config, command: Command) -> Result<u8, CliError> {
    let store = super::store(&config).await?;
    let (change, Binding { role, user, environment }) = match command {
        Command::Grant(binding) => (RoleChange::Grant, binding),
        Command::Revoke(binding) => (RoleChange::Revoke, binding),
        Command::List => return list(&store).await,
    };
    let actor = Actor::Person { identity: console_user(), principal: None };
    let subject = user.to_string();
    let who = Subject::Identity(user);
    let done = change_role(&store, &actor, change, role, &who, environment.as_deref()).await;
    if let Err(StoreError::Refused(refusal)) = &done {
        let attempt = AuditEvent {
            at: Clock::system().now(),
            actor,
            action: change.action().to_owned(),
            subject,
            detail: serde_json::json!({ "role": role, "environment": environment }),
            outcome: format!("refused: {}", refusal.kind.as_str()),
        };
        store.put_on_record(&attempt).await?;
    }
    let card = done?;
    say(&chat::text(&card, style_of_stdout()));
    Ok(SUCCESS)
}

async fn list(store: &Store) -> Result<u8, CliError> {
    let mut rows = Vec::new();
    for person in store.people().await? {
        for (identity, name) in &person.identities {
            for binding in &person.bindings {
                let place = binding.environment.clone();
                rows.push(vec![
                    identity.to_string(),
                    binding.role.to_string(),
                    place.unwrap_or_else(|| "everywhere".to_owned()),
                    name.clone(),
                ]);
            }
        }
    }
    let card = if rows.is_empty() {
        Card::titled("Nobody was given a role yet")
            .line("Give one with `smartcloudops roles grant ROLE PLATFORM:WORKSPACE:USER`.")
    } else {
        let header = ["account", "role", "where", "shown as"].map(ToOwned::to_owned).to_vec();
        Card::titled(format!("{} granted", format::count(rows.len(), "role")))
            .with(Block::Table(Table { header, rows, more: 0 }))
    };
    say(&chat::text(&card, style_of_stdout()));
    Ok(SUCCESS)
}
