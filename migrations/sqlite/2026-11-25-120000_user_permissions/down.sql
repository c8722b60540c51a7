alter table users drop column permissions;
