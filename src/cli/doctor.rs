//! `doctor`: what is wrong, and how to mend it.

use std::{
    borrow::Cow,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use chat::{Block, Card, Table, Tone};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use sysinfo::Disks;

use super::{FAILED, SUCCESS, say, style_of_stdout};
use crate::{
    clock::Clock,
    config::{self, Config},
    format,
    metrics::Metrics,
    platforms,
    store::{Store, VerifyError},
};

/// Clocks further apart than this make every "now" wrong.
const MOST_CLOCK_DIFFERENCE: TimeDelta = TimeDelta::seconds(5);
/// Less free space than this, and the database may soon refuse to write.
const LEAST_FREE_BYTES: u64 = 500 * 1024 * 1024;
/// No machine with a working clock runs this program before it was written.
const EARLIEST: DateTime<Utc> = DateTime::from_timestamp(1_735_689_600, 0).expect("a valid moment");

/// One thing looked at.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    part: Cow<'static, str>,
    /// What is there, or what is wrong and how to mend it.
    found: Result<String, String>,
}

/// Looks at every part and prints what it found. The exit code is not 0 when something is wrong.
pub(super) async fn run(file: Option<&Path>) -> u8 {
    let findings = examine(file).await;
    let wrong = findings.iter().filter(|finding| finding.found.is_err()).count();
    say(&chat::text(&report(&findings, wrong), style_of_stdout()));
    if wrong == 0 { SUCCESS } else { FAILED }
}

async fn examine(file: Option<&Path>) -> Vec<Finding> {
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(error) => return vec![finding("configuration", Err(error.to_string()))],
    };
    let clock = Clock::system();
    let source =
        file.map(Path::to_owned).or_else(|| config::default_file().filter(|path| path.exists()));
    let mut findings = vec![finding(
        "configuration",
        Ok(source.map_or_else(|| "the defaults".to_owned(), |path| path.display().to_string())),
    )];
    findings.push(finding("clock", sane(clock.now())));
    findings.extend(database(&config, &clock).await);
    findings.extend(metrics(&config, &clock).await);
    findings.extend(
        platforms::examine(&config, &clock)
            .await
            .into_iter()
            .map(|(part, found)| Finding { part: part.into(), found }),
    );
    for (platform, offset) in platforms::clock_offsets(&config, &clock).await {
        findings.push(Finding { part: format!("{platform} clock").into(), found: agrees(offset) });
    }
    findings.push(finding("logs", writable(&config)));
    findings.push(finding("disk", free_space(&config)));
    findings.push(finding("http", listens(&config).await));
    findings
}

fn finding(part: &'static str, found: Result<String, String>) -> Finding {
    Finding { part: part.into(), found }
}

fn sane(now: DateTime<Utc>) -> Result<String, String> {
    if now < EARLIEST {
        return Err(format!(
            "this machine believes it is {now}: start its time service, e.g. `timedatectl set-ntp true`"
        ));
    }
    Ok(now.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

async fn database(config: &Config, clock: &Clock) -> Vec<Finding> {
    let opened = async {
        let url = config.store_url().map_err(|error| error.to_string())?;
        Store::open(url.expose_secret(), clock.clone()).await.map_err(|error| error.to_string())
    };
    let store = match opened.await {
        Ok(store) => store,
        Err(error) => return vec![finding("database", Err(error))],
    };
    let pending = match store.pending_migrations().await {
        Ok(pending) => pending,
        Err(error) => return vec![finding("database", Err(error.to_string()))],
    };
    let place = format!("{} {}", store.backend(), store.place());
    if !pending.is_empty() {
        // A database that was never used is made at the first start; that is not a fault.
        return vec![finding(
            "database",
            Ok(format!("{place}, tables are made or updated at the next start")),
        )];
    }
    let audit = match store.verify_audit().await {
        Ok(verified) => Ok(format!("{} rows, whole", verified.rows)),
        Err(VerifyError::Store(error)) => Err(error.to_string()),
        Err(tampered) => {
            Err(format!("{tampered}; keep this database for an inquiry and restore a backup"))
        }
    };
    store.close().await;
    vec![finding("database", Ok(place)), finding("audit", audit)]
}

async fn metrics(config: &Config, clock: &Clock) -> Vec<Finding> {
    let metrics = match Metrics::new(&config.metrics, config.zone().unwrap_or_default(), clock) {
        Ok(metrics) => metrics,
        Err(error) => return vec![finding("metrics", Err(error.to_string()))],
    };
    let source = match metrics.check().await {
        Ok(check) => check,
        Err(error) => return vec![finding("metrics", Err(error.to_string()))],
    };
    let hosts = match metrics.fleet().await {
        Ok(fleet) if fleet.hosts().is_empty() => Err(format!(
            "{} answers, but knows no hosts: let it scrape node_exporter, or set `metrics.prometheus.host_label`",
            source.description
        )),
        Ok(fleet) => {
            Ok(format!("{}, {}", source.description, format::count(fleet.hosts().len(), "host")))
        }
        Err(error) => Err(error.to_string()),
    };
    let mut findings = vec![finding("metrics", hosts)];
    if let Some(offset) = source.clock_offset {
        findings.push(finding("metrics clock", agrees(offset)));
    }
    findings
}

/// Whether a clock that is so far ahead of this machine's will do.
fn agrees(offset: TimeDelta) -> Result<String, String> {
    let apart = offset.abs();
    let apart_text = format::span(apart.num_milliseconds() as f64 / 1000.0);
    if apart > MOST_CLOCK_DIFFERENCE {
        return Err(format!(
            "it is {apart_text} {} this machine's: start the time service, e.g. `timedatectl set-ntp true`",
            if offset > TimeDelta::zero() { "ahead of" } else { "behind" }
        ));
    }
    Ok(format!("{apart_text} apart"))
}

fn writable(config: &Config) -> Result<String, String> {
    let directory = config.log_directory().map_err(|error| error.to_string())?;
    let probe = directory.join(".doctor");
    std::fs::create_dir_all(&directory)
        .and_then(|()| std::fs::write(&probe, b""))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|error| {
            format!("cannot write to {}: {error}; set `log.directory`", directory.display())
        })?;
    Ok(directory.display().to_string())
}

/// Free space where the database and the logs are.
fn free_space(config: &Config) -> Result<String, String> {
    let disks = Disks::new_with_refreshed_list()
        .map_err(|error| format!("cannot read the disks: {error}"))?;
    let folders = [config.database_directory(), config.log_directory().ok()];
    let mut found: Vec<String> = Vec::new();
    for folder in folders.into_iter().flatten() {
        let disk = disks
            .iter()
            .filter(|disk| folder.starts_with(disk.mount_point()))
            .max_by_key(|disk| disk.mount_point().as_os_str().len());
        let Some(disk) = disk else { continue };
        let free = format::bytes(disk.available_space() as f64);
        let place = disk.mount_point().display();
        if disk.available_space() < LEAST_FREE_BYTES {
            return Err(format!(
                "only {free} free on {place}, where {} is: free some, or move `store.url` and `log.directory`",
                folder.display()
            ));
        }
        let line = format!("{free} free on {place}");
        if !found.contains(&line) {
            found.push(line);
        }
    }
    Ok(if found.is_empty() { "unknown".to_owned() } else { found.join(", ") })
}

async fn listens(config: &Config) -> Result<String, String> {
    if !config.http.enabled {
        return Ok("off".to_owned());
    }
    let address = config.http.listen;
    match tokio::net::TcpListener::bind(address).await {
        Ok(_) => Ok(format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_the_bot(address).await => {
            Ok(format!("{address}: the bot is running there"))
        }
        Err(error) => Err(format!(
            "cannot listen on {address}: {error}; stop what uses it or set `http.listen`"
        )),
    }
}

/// Whether what listens there answers as the bot does.
async fn is_the_bot(mut address: SocketAddr) -> bool {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let ask = move || -> io::Result<String> {
        let patience = Duration::from_secs(2);
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok(answer)
    };
    match tokio::task::spawn_blocking(ask).await {
        Ok(Ok(answer)) => answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nok\n"),
        _ => false,
    }
}

fn report(findings: &[Finding], wrong: usize) -> Card {
    let (title, tone) = match wrong {
        0 => ("Everything is in order".to_owned(), Tone::Good),
        1 => ("1 thing is wrong".to_owned(), Tone::Bad),
        more => (format!("{more} things are wrong"), Tone::Bad),
    };
    let rows = findings
        .iter()
        .map(|Finding { part, found }| match found {
            Ok(detail) => vec!["ok".to_owned(), part.to_string(), detail.clone()],
            Err(problem) => vec!["WRONG".to_owned(), part.to_string(), problem.clone()],
        })
        .collect();
    let header = vec![String::new(), "part".to_owned(), "found".to_owned()];
    Card::titled(title).tone(tone).with(Block::Table(Table { header, rows, more: 0 }))
}

#[cfg(test)]
mod tests {
    use chat::Style;

    use super::*;

    #[test]
    fn a_stopped_clock_is_found() {
        assert!(sane(DateTime::UNIX_EPOCH).unwrap_err().contains("time service"));
        assert!(sane(EARLIEST).is_ok());
    }

    #[test]
    fn a_clock_that_is_far_from_ours_is_wrong() {
        assert_eq!(agrees(TimeDelta::milliseconds(-300)), Ok("300 ms apart".to_owned()));
        assert!(agrees(TimeDelta::minutes(7)).unwrap_err().starts_with("it is 7 min ahead of"));
        assert!(agrees(TimeDelta::minutes(-7)).unwrap_err().starts_with("it is 7 min behind"));
    }

    #[test]
    fn the_report_counts_what_is_wrong() {
        let findings =
            [finding("clock", Ok("fine".into())), finding("database", Err("cannot open".into()))];
        let text = chat::text(&report(&findings, 1), Style::Plain);
        assert!(text.starts_with("✖ 1 thing is wrong"), "{text}");
        assert!(text.contains("WRONG  database  cannot open"), "{text}");
    }
}
