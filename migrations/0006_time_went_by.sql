-- What is said because time went by, and what people answer to it.

-- Where a silence was set: there its end is told, once. Of those set before, nobody knows where.
ALTER TABLE silences ADD COLUMN conversation TEXT;
ALTER TABLE silences ADD COLUMN told BIGINT NOT NULL DEFAULT 0;
UPDATE silences SET told = 1;
CREATE INDEX silences_to_tell ON silences (ends_at) WHERE told = 0;

-- When somebody last said whether an incident is the new normal: learning follows.
ALTER TABLE incidents ADD COLUMN answered_at BIGINT;
CREATE INDEX incidents_answered ON incidents (answered_at) WHERE answered_at IS NOT NULL;
