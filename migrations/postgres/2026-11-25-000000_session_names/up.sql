-- The columns get the terms of OpenID Connect. The format of sessions changes as well, so that the
-- earlier ones cannot be read any more: their users log in again.
drop table sessions;
drop table revocations;

create table sessions (
    -- Hash of what the browser holds.
    key bytea primary key,
    -- Hash of issuer and subject.
    subject bytea not null,
    -- Hash of issuer and sid.
    provider_session bytea,
    sealed bytea not null,
    -- Whole seconds since the epoch.
    expires_at bigint not null,
    refresh_locked_until bigint not null default 0
);

create index sessions_by_subject on sessions (subject);
create index sessions_by_provider_session on sessions (provider_session);
create index sessions_by_expiry on sessions (expires_at);

-- Sessions in cookies that have ended before they expire.
create table revocations (
    -- Hash of the session, the user or the session at the provider.
    key bytea not null,
    -- Id of the session that goes on; empty where there is none.
    except_session bytea not null,
    -- Whether sessions that started later are not covered: 0 or 1.
    earlier_only bigint not null,
    -- Milliseconds since the epoch.
    revoked_at bigint not null,
    -- Whole seconds since the epoch.
    expires_at bigint not null,
    primary key (key, except_session)
);

create index revocations_by_time on revocations (revoked_at, key);
create index revocations_by_expiry on revocations (expires_at);

-- Hashes of sessions at the provider from which sessions in cookies were started.
create table provider_sessions (
    hash bytea primary key,
    expires_at bigint not null
);

create index provider_sessions_by_expiry on provider_sessions (expires_at);
