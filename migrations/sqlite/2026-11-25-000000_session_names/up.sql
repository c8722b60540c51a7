-- The columns get the terms of OpenID Connect. The format of sessions changes as well, so that the
-- earlier ones cannot be read any more: their users log in again.
drop table sessions;
drop table revocations;

create table sessions (
    -- Hash of what the browser holds.
    key blob primary key,
    -- Hash of issuer and subject.
    subject blob not null,
    -- Hash of issuer and sid.
    provider_session blob,
    sealed blob not null,
    -- Whole seconds since the epoch.
    expires_at integer not null,
    refresh_locked_until integer not null default 0
) strict, without rowid;

create index sessions_by_subject on sessions (subject);
create index sessions_by_provider_session on sessions (provider_session);
create index sessions_by_expiry on sessions (expires_at);

-- Sessions in cookies that have ended before they expire.
create table revocations (
    -- Hash of the session, the user or the session at the provider.
    key blob not null,
    -- Id of the session that goes on; empty where there is none.
    except_session blob not null,
    -- Whether sessions that started later are not covered: 0 or 1.
    earlier_only integer not null,
    -- Milliseconds since the epoch.
    revoked_at integer not null,
    -- Whole seconds since the epoch.
    expires_at integer not null,
    primary key (key, except_session)
) strict, without rowid;

create index revocations_by_time on revocations (revoked_at, key);
create index revocations_by_expiry on revocations (expires_at);

-- Hashes of sessions at the provider from which sessions in cookies were started.
create table provider_sessions (
    hash blob primary key,
    expires_at integer not null
) strict, without rowid;

create index provider_sessions_by_expiry on provider_sessions (expires_at);
