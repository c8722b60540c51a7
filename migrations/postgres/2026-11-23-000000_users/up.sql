-- One record per person; the collation "C" compares and sorts text byte by byte, as SQLite does.
create table users (
    issuer text collate "C" not null,
    subject text collate "C" not null,
    name text,
    nickname text,
    picture text,
    email text,
    email_verified boolean,
    -- Whole seconds since the epoch.
    first_seen bigint not null,
    last_login bigint not null,
    logins bigint not null,
    primary key (issuer, subject)
);

create index users_by_last_login on users (last_login desc, issuer, subject);
