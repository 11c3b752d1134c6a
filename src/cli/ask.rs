//! `ask`: the scriptable door to the whole request path.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use chat::{Assurance, Block, Card, Conversation, Inbound, MessageRef, Origin, Platform, UserRef};
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::{CliError, OUTAGE, SUCCESS, code_of, complain, say, style_of_stdout};
use crate::{
    access::Refusal,
    app::{App, AppError},
    bot::{
        Answer, Bot, Evidence, Reply, Source, cards,
        intent::{Intent, interpret},
    },
    clock::Clock,
    config::Config,
    metrics::Fleet,
    people::console_user,
    store::StoreError,
};

/// The most that is read of a question from standard input.
const MAX_QUESTION_BYTES: u64 = 64 * 1024;

/// What `ask` takes.
#[derive(Args)]
pub(super) struct Arguments {
    /// Print intent, answer, evidence and refusal as JSON
    #[arg(long)]
    json: bool,

    /// Who asks [default: you, at this console]
    #[arg(long = "as", value_name = "PLATFORM:WORKSPACE:USER")]
    speaker: Option<UserRef>,

    /// Draw a picture into this file
    #[arg(long, value_name = "FILE.png")]
    chart: Option<PathBuf>,

    /// The question; `-` reads it from standard input
    #[arg(required = true, value_name = "QUESTION")]
    question: Vec<OsString>,
}

#[derive(Serialize)]
struct Printed<'a> {
    intent: &'a Intent,
    refusal: Option<&'a Refusal>,
    answer: Option<PrintedAnswer<'a>>,
}

#[derive(Serialize)]
struct PrintedAnswer<'a> {
    text: String,
    source: Source,
    evidence: &'a [Evidence],
    chart: Option<String>,
}

pub(super) async fn run(config: Config, arguments: Arguments) -> Result<u8, CliError> {
    let text = question(&arguments.question)?;
    let clock = Clock::system();
    let now = clock.now().with_timezone(&config.zone()?);
    let mut event = spoken(arguments.speaker, text, now.to_utc());
    let app = match App::build(config, clock).await {
        Ok(app) => app,
        Err(AppError::Store(error)) if !matches!(error, StoreError::NotADatabase { .. }) => {
            tracing::error!(%error, "the database did not answer");
            let intent = interpret(&event, &Fleet::default(), now).intent;
            let reply = Reply::refused(intent, cards::database_unavailable(&error));
            print(&reply, None, arguments.json);
            return Ok(OUTAGE);
        }
        Err(error) => return Err(error.into()),
    };
    event.id = app.store.new_id();
    event.message.message.clone_from(&event.id);
    let bot = Bot::new(app.clone()).typed_by(console_user());
    let mut reply = bot.answer(&event, arguments.chart.is_some()).await;
    // The answer stands whether or not it could be noted down.
    if let Err(error) =
        app.store.record_and_complete(&event, &bot.completion(&event, &reply, false)).await
    {
        tracing::error!(%error, "the question was answered, but not recorded");
        complain(&error.to_string());
    }
    let chart = if let Some(path) = &arguments.chart {
        save_picture(&mut reply, path)?
    } else {
        leave_out_pictures(&mut reply);
        None
    };
    print(&reply, chart, arguments.json);
    Ok(reply.outcome.as_ref().err().map_or(SUCCESS, |refusal| code_of(refusal.kind)))
}

fn question(words: &[OsString]) -> Result<String, CliError> {
    if words.len() == 1 && words[0] == "-" {
        let mut bytes = Vec::new();
        io::stdin()
            .lock()
            .take(MAX_QUESTION_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|source| CliError::Io { what: "read the question".to_owned(), source })?;
        return Ok(String::from_utf8_lossy(&bytes).trim().to_owned());
    }
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    Ok(words.join(" "))
}

/// The question as an event. Whoever is only named as the speaker was not seen, so no name of theirs
/// is known; and each speaker has a conversation of their own.
fn spoken(speaker: Option<UserRef>, text: String, at: DateTime<Utc>) -> Inbound {
    let named = speaker.is_some();
    let from = speaker.unwrap_or_else(console_user);
    let display_name = if named { String::new() } else { from.user.clone() };
    let conversation = Conversation {
        platform: Platform::Console,
        workspace: from.workspace.clone(),
        channel: format!("ask:{from}"),
        thread: None,
    };
    Inbound {
        id: String::new(),
        display_name,
        from,
        message: MessageRef { conversation: conversation.clone(), message: String::new() },
        conversation,
        text,
        origin: Origin::Addressed,
        edited: false,
        assurance: Assurance::Authenticated,
        at,
    }
}

/// Writes the card's picture to the file, and takes it out of the card.
fn save_picture(reply: &mut Reply, path: &Path) -> Result<Option<String>, CliError> {
    for block in &mut reply.card.blocks {
        let Block::Image(image) = block else { continue };
        fs::write(path, &image.png).map_err(|source| CliError::Io {
            what: format!("write the picture {}", path.display()),
            source,
        })?;
        *block = Block::Note(format!("picture: {} ({})", path.display(), image.alt));
        return Ok(Some(path.display().to_string()));
    }
    Ok(None)
}

/// Says how to get the picture instead of naming a file that was not written.
fn leave_out_pictures(reply: &mut Reply) {
    for block in &mut reply.card.blocks {
        if let Block::Image(image) = block {
            *block = Block::Note(format!("{} (--chart FILE.png draws it)", image.alt));
        }
    }
}

fn print(reply: &Reply, chart: Option<String>, json: bool) {
    let text = |card: &Card, style| chat::text(card, style);
    if !json {
        say(&text(&reply.card, style_of_stdout()));
        return;
    }
    let printed = Printed {
        intent: &reply.intent,
        refusal: reply.outcome.as_ref().err(),
        answer: reply.outcome.as_ref().ok().map(|Answer { evidence, source, .. }| PrintedAnswer {
            text: text(&reply.card, chat::Style::Plain),
            source: *source,
            evidence,
            chart,
        }),
    };
    match serde_json::to_string_pretty(&printed) {
        Ok(json) => say(&json),
        Err(error) => complain(&error.to_string()),
    }
}
