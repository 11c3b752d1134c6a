-- Who people are and what they may do.

CREATE TABLE principals (
    id         TEXT   NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL
);

-- The platform accounts a principal speaks from. The display name is only ever shown.
CREATE TABLE identities (
    platform     TEXT   NOT NULL,
    workspace    TEXT   NOT NULL,
    person       TEXT   NOT NULL,
    principal    TEXT   NOT NULL REFERENCES principals (id),
    display_name TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (platform, workspace, person)
);
CREATE INDEX identities_of_a_principal ON identities (principal);

-- A role in one environment; an empty environment means everywhere.
CREATE TABLE role_bindings (
    principal   TEXT   NOT NULL REFERENCES principals (id),
    role        TEXT   NOT NULL CHECK (role IN ('guest', 'viewer', 'operator', 'admin')),
    environment TEXT   NOT NULL,
    granted_at  BIGINT NOT NULL,
    PRIMARY KEY (principal, role, environment)
);

-- What an unknown person tells an admin, to be recognised.
CREATE TABLE link_codes (
    platform     TEXT   NOT NULL,
    workspace    TEXT   NOT NULL,
    person       TEXT   NOT NULL,
    code         TEXT   NOT NULL UNIQUE,
    display_name TEXT   NOT NULL,
    expires_at   BIGINT NOT NULL,
    PRIMARY KEY (platform, workspace, person)
);
