-- All times are milliseconds since the epoch, all hashes SHA-256. Nothing here opens a session or
-- names a person.
create table sessions (
    -- The hash of what the browser holds.
    key bytea primary key not null,
    -- The session, sealed with the site's key.
    sealed bytea not null,
    -- Hashes of issuer and subject, and of issuer and the session at the provider.
    person bytea not null,
    provider_session bytea,
    ends_at bigint not null,
    -- Which request refreshes the tokens, and until when.
    turn bytea,
    turn_until bigint
);

create index sessions_by_person on sessions (person);
create index sessions_by_provider_session on sessions (provider_session);
create index sessions_by_end on sessions (ends_at);

-- What is good once, and has been used.
create table used_values (
    hash bytea primary key not null,
    until bigint not null
);

create index used_values_by_end on used_values (until);

-- Sessions that ended before their cookies do, where sessions are kept in cookies.
create table revocations (
    -- In the order of writing.
    number bigint generated always as identity primary key,
    target bytea not null,
    "except" bytea,
    revoked_at bigint not null,
    forget_at bigint not null
);

create index revocations_by_end on revocations (forget_at);
