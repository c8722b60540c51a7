-- All times are milliseconds since the epoch, all hashes SHA-256. Nothing here opens a session or
-- names a person.
create table sessions (
    -- The hash of what the browser holds.
    key blob primary key not null,
    -- The session, sealed with the site's key.
    sealed blob not null,
    -- Hashes of issuer and subject, and of issuer and the session at the provider.
    person blob not null,
    provider_session blob,
    ends_at integer not null,
    -- Which request refreshes the tokens, and until when.
    turn blob,
    turn_until integer
) strict;

create index sessions_by_person on sessions (person);
create index sessions_by_provider_session on sessions (provider_session);
create index sessions_by_end on sessions (ends_at);

-- What is good once, and has been used.
create table used_values (
    hash blob primary key not null,
    until integer not null
) strict, without rowid;

create index used_values_by_end on used_values (until);

-- Sessions that ended before their cookies do, where sessions are kept in cookies.
create table revocations (
    -- In the order of writing.
    number integer primary key autoincrement,
    target blob not null,
    "except" blob,
    revoked_at integer not null,
    forget_at integer not null
) strict;

create index revocations_by_end on revocations (forget_at);
