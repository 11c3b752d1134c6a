//! What people think of an incident: one vote each, which they may change or take back.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Row as _, any::AnyRow};

use super::super::{
    Result, Store, WriteTx, millis,
    words::{from_json, key},
};
use crate::anomaly::{
    Anomaly,
    incident::{Feedback, Member, Votes},
};

/// Of so many votes, the newest, something is learned.
const MOST_VOTES: i64 = 1000;

impl Store {
    /// Casts a person's vote, or changes it.
    pub async fn vote(
        &self,
        tx: &mut WriteTx,
        incident: u32,
        principal: &str,
        verdict: Feedback,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO feedback (incident, principal, verdict, at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (incident, principal) DO UPDATE SET verdict = excluded.verdict, \
             at = excluded.at",
        )
        .bind(i64::from(incident))
        .bind(key(principal).into_owned())
        .bind(verdict.as_str())
        .bind(millis(self.now()))
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// The incident a person voted on last.
    pub async fn last_vote(&self, principal: &str) -> Result<Option<u32>> {
        let row = sqlx::query(
            "SELECT incident FROM feedback WHERE principal = $1 ORDER BY at DESC, incident DESC \
             LIMIT 1",
        )
        .bind(key(principal).into_owned())
        .fetch_optional(&self.inner.pool)
        .await?;
        let number = row.map(|row| row.try_get::<i64, _>("incident")).transpose()?;
        Ok(number.and_then(|number| u32::try_from(number).ok()))
    }

    /// Takes a person's vote back; says whether there was one.
    pub async fn take_back(
        &self,
        tx: &mut WriteTx,
        incident: u32,
        principal: &str,
    ) -> Result<bool> {
        let gone = sqlx::query("DELETE FROM feedback WHERE incident = $1 AND principal = $2")
            .bind(i64::from(incident))
            .bind(key(principal).into_owned())
            .execute(&mut **tx)
            .await?;
        Ok(gone.rows_affected() > 0)
    }

    /// The anomalies that people called expected or false: one for each person and incident, host and
    /// first metric, however often that came and went meanwhile.
    pub async fn unwelcome(&self) -> Result<Vec<Anomaly>> {
        let rows = sqlx::query(
            "SELECT feedback.incident AS incident, feedback.principal AS principal, \
             anomalies.body AS body FROM (SELECT incident, principal FROM feedback \
             WHERE verdict IN ('expected', 'false_alarm') ORDER BY at DESC LIMIT $1) AS feedback \
             JOIN anomalies ON anomalies.incident = feedback.incident \
             ORDER BY feedback.incident, feedback.principal, anomalies.id",
        )
        .bind(MOST_VOTES)
        .fetch_all(&self.inner.pool)
        .await?;
        let (mut unwelcome, mut counted) = (Vec::new(), BTreeSet::new());
        for row in &rows {
            let member: Member = from_json("an anomaly", &row.try_get::<String, _>("body")?)?;
            let anomaly = member.anomaly;
            let metric = anomaly.metrics.first().map(|first| first.metric.clone());
            let (incident, principal): (i64, String) =
                (row.try_get("incident")?, row.try_get("principal")?);
            if counted.insert((incident, principal, anomaly.host.clone(), metric)) {
                unwelcome.push(anomaly);
            }
        }
        Ok(unwelcome)
    }

    /// What people think of an incident.
    pub async fn votes(&self, incident: u32) -> Result<Votes> {
        let rows = sqlx::query(
            "SELECT verdict, COUNT(*) AS votes FROM feedback WHERE incident = $1 GROUP BY verdict",
        )
        .bind(i64::from(incident))
        .fetch_all(&self.inner.pool)
        .await?;
        let mut votes = Votes::default();
        rows.iter().try_for_each(|row| count(row, &mut votes))?;
        Ok(votes)
    }

    /// What people think of all incidents.
    pub async fn all_votes(&self) -> Result<BTreeMap<u32, Votes>> {
        let rows = sqlx::query(
            "SELECT incident, verdict, COUNT(*) AS votes FROM feedback GROUP BY incident, verdict",
        )
        .fetch_all(&self.inner.pool)
        .await?;
        let mut all: BTreeMap<u32, Votes> = BTreeMap::new();
        for row in &rows {
            let number = u32::try_from(row.try_get::<i64, _>("incident")?).unwrap_or(u32::MAX);
            count(row, all.entry(number).or_default())?;
        }
        Ok(all)
    }
}

fn count(row: &AnyRow, votes: &mut Votes) -> Result<()> {
    let count = u32::try_from(row.try_get::<i64, _>("votes")?).unwrap_or(u32::MAX);
    match row.try_get::<String, _>("verdict")?.as_str() {
        "expected" => votes.expected = count,
        "false_alarm" => votes.false_alarm = count,
        _ => votes.useful = count,
    }
    Ok(())
}
