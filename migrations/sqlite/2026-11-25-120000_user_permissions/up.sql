-- What the user may do and by which claims, as JSON; null until the first log-in with this column.
alter table users add column permissions text;
