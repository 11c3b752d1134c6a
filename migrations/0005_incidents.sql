-- What people work on, and what they do not want to hear about.

-- One row: the last number given. Updating it first puts those who change incidents in a queue on
-- every database, and keeps a number from being given twice.
CREATE TABLE incident_head (
    id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
);
INSERT INTO incident_head (id, number) VALUES (1, 0);

-- `body` is JSON owned by `anomaly/incident.rs`; the columns are what is looked for.
CREATE TABLE incidents (
    number      BIGINT NOT NULL PRIMARY KEY,
    fingerprint TEXT   NOT NULL,
    family      TEXT   NOT NULL,
    environment TEXT   NOT NULL,
    state       TEXT   NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved')),
    severity    TEXT   NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    started_at  BIGINT NOT NULL,
    last_seen   BIGINT NOT NULL,
    resolved_at BIGINT,
    body        TEXT   NOT NULL,
    -- PNG in hexadecimal.
    picture     TEXT
);
-- Two processes, or a process and its successor, never open the same incident twice.
CREATE UNIQUE INDEX incidents_live ON incidents (fingerprint) WHERE state <> 'resolved';
CREATE INDEX incidents_resolved ON incidents (resolved_at);
CREATE INDEX incidents_of_a_family ON incidents (family, number);

-- What incidents are made of: each anomaly is in exactly one.
CREATE TABLE anomalies (
    id       TEXT   NOT NULL PRIMARY KEY,
    incident BIGINT NOT NULL REFERENCES incidents (number),
    host     TEXT   NOT NULL,
    started  BIGINT NOT NULL,
    ended    BIGINT,
    body     TEXT   NOT NULL,
    UNIQUE (host, started)
);
CREATE INDEX anomalies_of_an_incident ON anomalies (incident);
CREATE INDEX anomalies_by_age ON anomalies (started);
CREATE INDEX anomalies_going_on ON anomalies (incident) WHERE ended IS NULL;

CREATE TABLE silences (
    id         TEXT   NOT NULL PRIMARY KEY,
    ends_at    BIGINT NOT NULL,
    body       TEXT   NOT NULL
);
CREATE INDEX silences_by_end ON silences (ends_at);

-- One vote of a person on an incident.
CREATE TABLE feedback (
    incident  BIGINT NOT NULL REFERENCES incidents (number),
    principal TEXT   NOT NULL,
    verdict   TEXT   NOT NULL CHECK (verdict IN ('expected', 'false_alarm', 'useful')),
    at        BIGINT NOT NULL,
    PRIMARY KEY (incident, principal)
);

-- Living messages: the same row, whose card is replaced as long as the thing it shows changes.
-- `version` is the newest card, `shown` the one the platform shows, `news` the last one that is
-- worth a new message where messages cannot be changed. 0 in `version` is a message that is posted
-- once.
ALTER TABLE outbox ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN shown BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN news BIGINT NOT NULL DEFAULT 0;
-- The key of the living message whose thread it goes into.
ALTER TABLE outbox ADD COLUMN under TEXT;
CREATE INDEX outbox_under ON outbox (under) WHERE under IS NOT NULL;
