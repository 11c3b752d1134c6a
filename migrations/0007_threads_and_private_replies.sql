-- Who alone is to see a reply, where that is possible: an identity as JSON.
ALTER TABLE outbox ADD COLUMN only_for TEXT;

-- Which thread the bot began: its root is one of its messages.
CREATE INDEX outbox_messages ON outbox (message) WHERE message IS NOT NULL;
