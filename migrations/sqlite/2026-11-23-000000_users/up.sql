-- One record per person; SQLite compares text byte by byte unless told otherwise.
create table users (
    issuer text not null,
    subject text not null,
    name text,
    nickname text,
    picture text,
    email text,
    email_verified integer,
    -- Whole seconds since the epoch.
    first_seen integer not null,
    last_login integer not null,
    logins integer not null,
    primary key (issuer, subject)
) strict, without rowid;

create index users_by_last_login on users (last_login desc, issuer, subject);
