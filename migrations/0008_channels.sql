-- What the people of a channel want to be told, where they said so: otherwise the configuration says it.
CREATE TABLE channels (
    -- PLATFORM:WORKSPACE:CHANNEL
    id TEXT PRIMARY KEY,
    conversation TEXT NOT NULL,
    settings TEXT NOT NULL
);
