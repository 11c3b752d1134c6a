-- Metrics of the machines the bot itself runs on; `readings` is JSON owned by `metrics/host.rs`.
CREATE TABLE samples (
    host     TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    readings TEXT   NOT NULL,
    PRIMARY KEY (host, at)
);
CREATE INDEX samples_by_age ON samples (at);
