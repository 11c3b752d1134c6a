-- Who alone is to see a reply, where that is possible: an identity as JSON.
ALTER TABLE outbox ADD COLUMN only_for TEXT;
