//! The preset `sql-injection`.

use super::sql::{comment_tail, same_numbers, spell};
use super::{Preset, Rule};

/// A comparison of two numbers that widens a condition.
pub(super) const NUMBERS: &str = r"(?:\b(?:or|and|xor)\b|\|\||&&)~\(*~(?:not )?(\d+)~(?:=|<=>|like)~\(*(\d+)\b";

pub(super) const PRESET: Preset = Preset {
    name: "sql-injection",
    about: "Pieces of SQL that are meant to end up in somebody's query.",
    spell,
    secret: false,
    rules: &[
        Rule {
            name: "tautology-number",
            about: "OR or AND with a number compared to itself.",
            pattern: NUMBERS,
            only_if: Some(same_numbers),
            hits: &["1 or 1=1", "x' OR/**/1=1 --", "id=5)||(7=7", "9 and not 1 = 1"],
            misses: &["2 and 2 = 4", "1 or 2", "for 1 = 1", "a == 1 || 1 == 2"],
        },
        Rule {
            name: "tautology-text",
            about: "A quote, then OR or AND with a comparison of constants.",
            pattern: r#"['")]~(?:(?:or|and|xor) |(?:\|\||&&)~)\(*~(?:not )?(?:'[^']*'~(?:=|<>|!=|>|<|like|between\b)~\(*'
                |"[^"]*"~(?:=|<>|like)~\(*"[^"=]|\d+~(?:=|<>|!=|>|<|like)~\(*['"\d]|(?:true|not false|1)~\)*(?:--|#
                |;))"#,
            only_if: None,
            hits: &[
                "x' or '1'='1",
                r#"{"user":"' OR ''='"}"#,
                "x') or ('1'='1",
                "admin' and 1=2 --",
                "x' or true--",
                "x'/**/oR/**/'a'/**/like/**/'a",
            ],
            misses: &[
                r#"name == "a" or name == "b""#,
                "'yes' or 'no'?",
                "'a' and 'b' are letters",
                "choose \"a\" or \"b\"",
            ],
        },
        Rule {
            name: "union-select",
            about: "UNION SELECT with what a query could select.",
            pattern: r#"§union(?: (?:all |distinct )?|~\()\(*~select (?:all |distinct )?(?:[-\d'"(*@`]|null\b|(?:char|concat
                |group_concat|version|user|database|load_file|if|hex)~\(|NAME~(?:,|\bfrom\b| from\b|\())"#,
            only_if: None,
            hits: &[
                "1 union select null,null--",
                "x' UNION/**/ALL/**/SELECT 1,2",
                "1 /*!50000union*/ /*!50000select*/ 1",
                "union(select password from users)",
                r#"{"id":"-1\nunion\u0020select name, pw from users"}"#,
            ],
            misses: &[
                "let's union",
                "the union select committee met",
                "a union of sets; select one from it",
                "select a seat",
            ],
        },
        Rule {
            name: "stacked-query",
            about: "A second statement behind a quote, bracket or number and a semicolon.",
            pattern: r"(?:['\x22)]|\b\d+)~;~(?:drop (?:table|database|schema|view|user)\b|delete from\b
                |insert into NAME~(?:\(|values\b|select\b)|update NAME set\b|alter (?:table|user|database)\b
                |create (?:table|user|function|trigger|login)\b|truncate table\b|exec(?:ute)?(?: |~\()(?:master|xp_
                |sp_|@|~\()|declare @|select [^;]*\bfrom\b|waitfor delay\b|shutdown\b)",
            only_if: None,
            hits: &[
                "1; drop table users",
                "x'; insert into users(name) values ('a')--",
                "x';exec master..xp_cmdshell 'dir'",
                "7;declare @a int",
                "5; select name from users",
            ],
            misses: &[
                "buy 5; select a seat",
                "we met at 5; create something nice",
                "(done); update your profile",
            ],
        },
        Rule {
            name: "time-based",
            about: "Functions that make a database wait.",
            pattern: r"(?:(?:\b(?:select|and|or|when|then|else|union|case)\b|[,=|+*'\x22]|&&)~\(*~sleep~\(~[\d'(]
                |\bif~\([^()]*,~sleep~\(|\bbenchmark~\(~\d+~,|\bpg_sleep(?:_for)?~\(|\bwaitfor (?:delay|time)~'
                |\bdbms_(?:pipe~\.~receive_message|lock~\.~sleep)\b)",
            only_if: None,
            hits: &[
                "1 and sleep(5)",
                "1' and (select/**/sleep(5))--",
                "if(1=1,sleep(5),0)",
                "1;waitfor delay '0:0:5'",
                "benchmark(1000000,md5(1))",
                "1||pg_sleep(5)",
            ],
            misses: &[
                "await sleep(1000)",
                "time.sleep(5)",
                "I benchmark (a lot)",
                "let the baby sleep (8 hours)",
            ],
        },
        Rule {
            name: "comment-tail",
            about: "A quote behind a word, and at once a comment that hides the rest of a query.",
            pattern: r"[\w%]'\)*;?(?:--|#)",
            only_if: Some(comment_tail),
            hits: &["admin'--", "admin')-- x", r#"{"user":"admin'#"}"#, "admin';--+"],
            misses: &["the dogs' -- all of them", "['--help', '-v']", "a = 'x'# a comment"],
        },
        Rule {
            name: "schema",
            about: "Reading from the tables that describe a database.",
            pattern: r"\b(?:from|join|into|update)~[\s(\x22`\[]*(?:information_schema|pg_catalog|sqlite_(?:master|schema)
                |mysql[\x22`\]]?\.[\x22`\[]?user|sys[\x22`\]]?\.[\x22`\[]?(?:tables|objects|columns|databases
                |schemas)|sysobjects|syscolumns|sysdatabases|all_tables|all_tab_columns|user_tables|pg_(?:shadow
                |user|tables|class|authid))\b",
            only_if: None,
            hits: &[
                "select table_name from information_schema.tables",
                "select name FROM/**/sqlite_master",
                "from `mysql`.`user`",
                "1 union select name from sysobjects",
            ],
            misses: &["information_schema is a standard", "from mysql users everywhere"],
        },
        Rule {
            name: "procedures",
            about: "Procedures and functions that reach outside of the database, or leak through errors.",
            pattern: r"\b(?:xp_(?:cmdshell|reg\w+|dirtree|fileexist|servicecontrol)|sp_(?:oacreate|oamethod|configure
                |executesql|addextendedproc|makewebtask)|utl_(?:http|file|inaddr|smtp)~\.|dbms_(?:ldap|scheduler
                |java)~\.|lo_import~\(|into (?:out|dump)file~['\x22]|select load_file~\(|(?:extractvalue
                |updatexml)~\([^)]*,~(?:concat~\(|0x)|copy NAME (?:from|to) program\b|load data (?:local )?infile\b)",
            only_if: None,
            hits: &[
                "exec xp_cmdshell 'dir'",
                "select '<?php' into outfile '/var/www/a.php'",
                "and extractvalue(1,concat(0x7e,version()))",
                "select load_file('/etc/hosts')",
                "copy t from program 'id'",
            ],
            misses: &[
                "load_file(path)",
                "pour it into outfile cabinets",
                "extractvalue(xml, path)",
            ],
        },
        Rule {
            name: "column-probing",
            about: "A quote, then ORDER BY or GROUP BY a number or HAVING a comparison, then a comment.",
            pattern: r"['\x22)\d]~(?:(?:order|group) by \d+(?:~,~\d+)*|having \d+~=~\d+)~(?:--|#|/\*)",
            only_if: None,
            hits: &["1' order by 10--", "x') group by 1,2 #", "1 having 1=1--"],
            misses: &["order by 10", "1. order by 10 o'clock"],
        },
    ],
};
