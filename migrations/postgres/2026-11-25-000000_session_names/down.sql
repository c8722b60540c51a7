drop table provider_sessions;
drop table revocations;
drop table sessions;
-- What is kept of a session here: sealed, under a hash of what the browser holds.
create table sessions (
    key bytea primary key,
    -- Hashes of whose it is, and of the session at the provider that it came of.
    person bytea not null,
    provider_session bytea,
    sealed bytea not null,
    -- Whole seconds since the epoch.
    expires_at bigint not null,
    leased_until bigint not null default 0
);

create index sessions_by_person on sessions (person);
create index sessions_by_provider_session on sessions (provider_session);
create index sessions_by_expiry on sessions (expires_at);

-- Sessions in cookies that have ended before their time.
create table revocations (
    id bytea primary key,
    -- JSON.
    revocation text not null,
    -- Milliseconds since the epoch.
    revoked_at bigint not null,
    -- Whole seconds since the epoch.
    expires_at bigint not null
);

create index revocations_by_time on revocations (revoked_at);
create index revocations_by_expiry on revocations (expires_at);

