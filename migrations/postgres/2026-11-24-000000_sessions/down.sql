drop table revocations;
drop table used_values;
drop table sessions;
