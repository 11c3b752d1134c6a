//! The one transaction that answers a question.

use chat::Inbound;

use super::{
    AuditEvent, Delivery, FirstSight, InboxId, Reply, Result, Store, Turn, WriteTx,
    inbox::{Arrival, Finish, finish},
};

/// Everything that becomes true when an event has been answered.
#[derive(Clone, Debug, Default)]
pub struct Completion {
    /// How it ended, in a word: `answered`, `refused`, `ignored`.
    pub outcome: String,
    /// What to post. Empty where there is nothing to deliver, as on the console.
    pub replies: Vec<Reply>,
    /// What was said, for the conversation's history.
    pub turns: Vec<Turn>,
    /// What goes on record.
    pub audit: Vec<AuditEvent>,
}

/// What came of completing.
#[derive(Clone, Debug, PartialEq)]
pub enum Completed {
    /// It is all saved. The replies are claimed for the caller, who posts them now.
    Now(Vec<Delivery>),
    /// Another process finished this event first; nothing was saved, so say nothing.
    BySomeoneElse,
}

impl Store {
    /// Finishes a recorded event: its replies, turns and audit in one commit.
    pub async fn complete(&self, id: &InboxId, completion: &Completion) -> Result<Completed> {
        let attempt = self.new_id();
        let deliveries = self.deliveries(&completion.replies);
        safely!(self, async {
            let mut tx = self.begin_write().await?;
            match finish(self, &mut tx, &id.0, &attempt, &completion.outcome).await? {
                Finish::Now => {}
                Finish::Before => {
                    tx.rollback().await?;
                    return Ok(Completed::Now(deliveries.clone()));
                }
                Finish::BySomeoneElse => {
                    tx.rollback().await?;
                    return Ok(Completed::BySomeoneElse);
                }
            }
            let sent = self.save(&mut tx, completion, &deliveries).await?;
            tx.commit().await?;
            Ok(Completed::Now(sent))
        })
    }

    /// Finishes an event with nothing to say and nothing to keep on record.
    pub async fn finish(&self, id: &InboxId, outcome: &str) -> Result<Completed> {
        let completion = Completion { outcome: outcome.to_owned(), ..Completion::default() };
        self.complete(id, &completion).await
    }

    /// Records and finishes an event in one commit, where nobody waits for an acknowledgement: the
    /// console and `ask`. With [`FirstSight::Duplicate`] nothing was saved.
    pub async fn record_and_complete(
        &self,
        inbound: &Inbound,
        completion: &Completion,
    ) -> Result<(FirstSight, Vec<Delivery>)> {
        let arrival = Arrival::new(self, inbound)?;
        let deliveries = self.deliveries(&completion.replies);
        let sent = safely!(self, async {
            let mut tx = self.begin_write().await?;
            if !arrival.insert(self, &mut tx).await? {
                tx.rollback().await?;
                return Ok(None);
            }
            match finish(self, &mut tx, &arrival.id, &arrival.id, &completion.outcome).await? {
                Finish::Now => {
                    let sent = self.save(&mut tx, completion, &deliveries).await?;
                    tx.commit().await?;
                    Ok(Some(sent))
                }
                Finish::Before | Finish::BySomeoneElse => {
                    tx.rollback().await?;
                    Ok(Some(deliveries.clone()))
                }
            }
        })?;
        Ok(match sent {
            Some(sent) => (FirstSight::New(InboxId(arrival.id)), sent),
            None => (FirstSight::Duplicate, Vec::new()),
        })
    }

    async fn save(
        &self,
        tx: &mut WriteTx,
        completion: &Completion,
        deliveries: &[Delivery],
    ) -> Result<Vec<Delivery>> {
        let mut sent = Vec::new();
        for delivery in deliveries {
            if self.enqueue_claimed(tx, delivery).await? {
                sent.push(delivery.clone());
            }
        }
        for turn in &completion.turns {
            self.remember(tx, turn).await?;
        }
        // Last: from here to the commit no other append can pass.
        for event in &completion.audit {
            self.append(tx, event).await?;
        }
        Ok(sent)
    }
}
