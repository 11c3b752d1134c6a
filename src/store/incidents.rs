//! Incidents and what they are made of.

mod feedback;
mod silences;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{AnyConnection, AssertSqlSafe, Row as _, any::AnyRow};

use super::{
    Result, Store, WriteTx, millis, moment,
    words::{bounded, from_hex, from_json, key, to_hex, to_json},
};
use crate::anomaly::incident::{Incident, IncidentState, Member, REOPEN_WITHIN};

pub use silences::Ended;

/// Anomalies written with one statement.
const ROWS: usize = 100;
/// The longest note kept, in bytes.
const MAX_NOTE: usize = 2_000;

/// So many earlier incidents are counted.
const MOST_EARLIER: i64 = 100;

/// What was like an incident before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// How many, up to a hundred.
    pub times: usize,
    /// What people wrote of the last that they wrote of.
    pub fixed_by: Option<String>,
}

/// Which incidents to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// What `correlate` has to know: what is not over, or was over a moment ago, or still goes on.
    Known,
    /// The newest of those in this state, or of all; at most so many.
    Latest(Option<IncidentState>, u32),
    /// The one with this number.
    Numbered(u32),
    /// What was seen since.
    Since(DateTime<Utc>),
}

impl Store {
    /// Waits for the others who change incidents; what is read in this transaction from here on
    /// stays true until it ends. Returns the last number given.
    pub async fn lock_incidents(&self, tx: &mut WriteTx) -> Result<u32> {
        let row =
            sqlx::query("UPDATE incident_head SET number = number WHERE id = 1 RETURNING number")
                .fetch_one(&mut **tx)
                .await?;
        Ok(u32::try_from(row.try_get::<i64, _>("number")?).unwrap_or(u32::MAX))
    }

    /// Reads incidents with their members, in a transaction.
    pub async fn incidents_in(
        &self,
        tx: &mut WriteTx,
        wanted: Wanted,
        now: DateTime<Utc>,
    ) -> Result<Vec<Incident>> {
        read(tx, wanted, now).await
    }

    /// Reads incidents with their members: one moment of the database.
    pub async fn incidents(&self, wanted: Wanted) -> Result<Vec<Incident>> {
        let mut tx = self.begin_read().await?;
        let found = read(&mut tx, wanted, self.now()).await?;
        tx.rollback().await?;
        Ok(found)
    }

    /// The latest anomalies of these hosts (`None`: of all) with the number of their incident, newest
    /// first.
    pub async fn latest_anomalies(
        &self,
        since: DateTime<Utc>,
        hosts: Option<&[String]>,
        limit: u32,
    ) -> Result<Vec<(u32, Member)>> {
        if hosts.is_some_and(<[String]>::is_empty) {
            return Ok(Vec::new());
        }
        let of_hosts = hosts.map_or_else(String::new, |hosts| {
            let places: Vec<_> = (3..hosts.len() + 3).map(|place| format!("${place}")).collect();
            format!("AND host IN ({}) ", places.join(", "))
        });
        let mut query = sqlx::query(AssertSqlSafe(format!(
            "SELECT incident, body FROM anomalies WHERE (started >= $1 OR ended IS NULL) {of_hosts}\
             ORDER BY started DESC, host LIMIT $2",
        )))
        .bind(millis(since))
        .bind(i64::from(limit));
        for host in hosts.unwrap_or_default() {
            query = query.bind(key(host).into_owned());
        }
        let rows = query.fetch_all(&self.inner.pool).await?;
        rows.iter().map(member).collect()
    }

    /// What was like an incident before it: how often, and what people wrote when the last of them
    /// was over.
    pub async fn earlier(&self, tx: &mut WriteTx, incident: &Incident) -> Result<Earlier> {
        let rows = sqlx::query(
            "SELECT body FROM incidents WHERE family = $1 AND number < $2 AND state = 'resolved' \
             ORDER BY number DESC LIMIT $3",
        )
        .bind(&*incident.family)
        .bind(i64::from(incident.number))
        .bind(MOST_EARLIER)
        .fetch_all(&mut **tx)
        .await?;
        let mut earlier = Earlier { times: rows.len(), fixed_by: None };
        for row in &rows {
            let before: Incident = from_json("an incident", &row.try_get::<String, _>("body")?)?;
            if let Some(note) = before.notes.last() {
                earlier.fixed_by = Some(note.text.clone());
                break;
            }
        }
        Ok(earlier)
    }

    /// Saves an incident and those of its members at these positions. A new one has the number
    /// after the last.
    pub async fn save_incident(
        &self,
        tx: &mut WriteTx,
        incident: &Incident,
        touched: &[usize],
    ) -> Result<()> {
        let mut incident = incident.clone();
        for note in &mut incident.notes {
            note.text = bounded(&note.text, MAX_NOTE);
        }
        sqlx::query("UPDATE incident_head SET number = $1 WHERE id = 1 AND number < $1")
            .bind(i64::from(incident.number))
            .execute(&mut **tx)
            .await?;
        sqlx::query(
            "INSERT INTO incidents (number, fingerprint, family, environment, state, severity, \
             started_at, last_seen, resolved_at, answered_at, body) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (number) DO UPDATE SET state = excluded.state, \
             severity = excluded.severity, started_at = excluded.started_at, \
             last_seen = excluded.last_seen, resolved_at = excluded.resolved_at, \
             answered_at = excluded.answered_at, body = excluded.body",
        )
        .bind(i64::from(incident.number))
        .bind(&*incident.fingerprint)
        .bind(&*incident.family)
        .bind(key(incident.environment.as_deref().unwrap_or("")).into_owned())
        .bind(incident.state.as_str())
        .bind(incident.severity.as_str())
        .bind(millis(incident.started))
        .bind(millis(incident.last_seen))
        .bind(incident.resolved_at.map(millis))
        .bind(incident.answer.as_ref().map(|answer| millis(answer.signature.at)))
        .bind(to_json(&incident)?)
        .execute(&mut **tx)
        .await?;
        let members: Vec<&Member> =
            touched.iter().filter_map(|at| incident.members.get(*at)).collect();
        for members in members.chunks(ROWS) {
            self.save_members(tx, incident.number, members).await?;
        }
        Ok(())
    }

    /// When somebody last said whether an incident is the new normal, or took it back.
    pub async fn last_answer(&self) -> Result<Option<DateTime<Utc>>> {
        let row = sqlx::query("SELECT MAX(answered_at) AS at FROM incidents WHERE answered_at > 0")
            .fetch_one(&self.inner.pool)
            .await?;
        row.try_get::<Option<i64>, _>("at")?.map(moment).transpose()
    }

    /// Keeps the picture of an incident, in the caller's transaction.
    pub async fn keep_picture(&self, tx: &mut WriteTx, number: u32, png: &[u8]) -> Result<()> {
        sqlx::query("UPDATE incidents SET picture = $1 WHERE number = $2")
            .bind(to_hex(png))
            .bind(i64::from(number))
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// The picture of an incident, when there is one.
    pub async fn picture(&self, tx: &mut WriteTx, number: u32) -> Result<Option<Vec<u8>>> {
        let row = sqlx::query("SELECT picture FROM incidents WHERE number = $1")
            .bind(i64::from(number))
            .fetch_optional(&mut **tx)
            .await?;
        let hex = row.map(|row| row.try_get::<Option<String>, _>("picture")).transpose()?;
        hex.flatten().map(|hex| from_hex(&hex)).transpose()
    }

    async fn save_members(
        &self,
        tx: &mut AnyConnection,
        number: u32,
        members: &[&Member],
    ) -> Result<()> {
        let values = (0..members.len())
            .map(|row| {
                let at = |column: usize| format!("${}", row * 6 + column);
                // PostgreSQL cannot tell the type of a value in a list that may be NULL.
                let ended = format!("CAST({} AS BIGINT)", at(5));
                format!("({})", [at(1), at(2), at(3), at(4), ended, at(6)].join(", "))
            })
            .collect::<Vec<_>>();
        let mut insert = sqlx::query(AssertSqlSafe(format!(
            "INSERT INTO anomalies (id, incident, host, started, ended, body) VALUES {} \
             ON CONFLICT (host, started) DO UPDATE SET incident = excluded.incident, \
             ended = excluded.ended, body = excluded.body",
            values.join(", ")
        )));
        for member in members {
            insert = insert
                .bind(self.new_id())
                .bind(i64::from(number))
                .bind(key(&member.anomaly.host).into_owned())
                .bind(millis(member.anomaly.start))
                .bind(member.anomaly.end.map(millis))
                .bind(to_json(member)?);
        }
        insert.execute(tx).await?;
        Ok(())
    }
}

async fn read(tx: &mut AnyConnection, wanted: Wanted, now: DateTime<Utc>) -> Result<Vec<Incident>> {
    let condition = match wanted {
        Wanted::Known => {
            "(state <> 'resolved' OR resolved_at > $1 OR number IN \
             (SELECT incident FROM anomalies WHERE ended IS NULL))"
        }
        Wanted::Latest(None, _) => "$1 = $1",
        Wanted::Latest(Some(_), _) => "state = $1",
        Wanted::Numbered(_) => "number = $1",
        Wanted::Since(_) => "last_seen >= $1",
    };
    let most = match wanted {
        Wanted::Latest(_, most) => i64::from(most),
        Wanted::Known | Wanted::Numbered(_) | Wanted::Since(_) => 10_000,
    };
    let with = |table: &str| {
        format!("SELECT number FROM {table} WHERE {condition} ORDER BY number DESC LIMIT $2")
    };
    let bodies = format!("SELECT body FROM incidents WHERE number IN ({})", with("incidents"));
    let members = format!(
        "SELECT incident, body FROM anomalies WHERE incident IN ({}) ORDER BY started, host",
        with("incidents")
    );
    let mut found = Vec::new();
    for sql in [bodies, members] {
        let query = sqlx::query(AssertSqlSafe(sql));
        let query = match wanted {
            Wanted::Known => query.bind(millis(now - REOPEN_WITHIN)),
            Wanted::Latest(None, _) => query.bind(0_i64),
            Wanted::Latest(Some(state), _) => query.bind(state.as_str()),
            Wanted::Numbered(number) => query.bind(i64::from(number)),
            Wanted::Since(since) => query.bind(millis(since)),
        };
        found.push(query.bind(most).fetch_all(&mut *tx).await?);
    }
    let mut of: HashMap<u32, Vec<Member>> = HashMap::new();
    for row in &found[1] {
        let (number, member) = member(row)?;
        of.entry(number).or_default().push(member);
    }
    let mut incidents = found[0]
        .iter()
        .map(|row| from_json::<Incident>("an incident", &row.try_get::<String, _>("body")?))
        .collect::<Result<Vec<_>>>()?;
    for incident in &mut incidents {
        incident.members = of.remove(&incident.number).unwrap_or_default();
    }
    incidents.sort_by_key(|incident| std::cmp::Reverse(incident.number));
    Ok(incidents)
}

fn member(row: &AnyRow) -> Result<(u32, Member)> {
    let number = u32::try_from(row.try_get::<i64, _>("incident")?).unwrap_or(u32::MAX);
    Ok((number, from_json("an anomaly", &row.try_get::<String, _>("body")?)?))
}
