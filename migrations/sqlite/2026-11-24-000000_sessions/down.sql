drop table used_values;
drop table revocations;
drop table sessions;
