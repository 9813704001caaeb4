-- Bulk insert, index, queries, update, delete. `rows` is filled in by the benchmark.
create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < :rows)
    insert into t select i, 'text value ' || (i * 7919 % 100003), i * 1.1 from n;
create index tb on t(b);
select count(*), sum(c) from t where b like 'text value 1%';
select count(distinct b) from t;
select max(x) from (select b, count(*) x from t group by b order by x desc);
update t set b = b || 'z' where a % 3 = 0;
delete from t where a % 5 = 0;
select count(*) from t;
