//! The preset `destructive-sql`.

use super::sql::{delete_of_all, spell, update_of_all};
use super::{Preset, Rule};

/// How a DELETE begins.
pub(super) const DELETE: &str =
    r"§delete (?:low_priority |quick |ignore |top~\(~\d+~\)~(?:percent )?)*from (?:only )?NAME";
/// How an UPDATE begins, up to its first value.
pub(super) const UPDATE: &str = r#"§update (?:low_priority |ignore |only |or \w+ )*NAME(?: (?:as )?\w+)? set NAME~="#;

pub(super) const PRESET: Preset = Preset {
    name: "destructive-sql",
    about: "SQL that takes away tables or all of their rows.",
    spell,
    secret: false,
    rules: &[
        Rule {
            name: "drop",
            about: "DROP of a table, database, schema, view, index, column or another object with a name.",
            pattern: r#"§drop (?:(?:temporary|materialized|unique|foreign|external) )?(?:table|tablespace|database|schema
                |view|index|sequence|trigger|procedure|function|keyspace|collection
                |warehouse)(?: (?:if exists )?[\w$@\x80-\xFF]|(?: (?:if exists)?)?~["`\[]\w)"#,
            only_if: None,
            hits: &[
                "Drop Table users",
                "Drop Database if exists shop;",
                "DROP/**/TABLE users",
                "DROP--x\nTABLE users",
                "drop /* no */ # x\n\t table/**/users",
                "/*!50000DROP*/ TABLE users",
                "drop table`users`",
                r#"{"q":"\u0044ROP\u0020TABLE users"}"#,
                r#"42["q","drop\ntable \"users\""]"#,
                "DROP MATERIALIZED VIEW sales",
            ],
            misses: &[
                "please drop the table off at 5",
                "drop tables like these",
                r#"["drop table","add table"]"#,
                "a drop database",
                "dropTable(users)",
                "backdrop table lamp",
            ],
        },
        Rule {
            name: "truncate",
            about: "TRUNCATE of a table; without the word TABLE where CASCADE, RESTART or a semicolon follows.",
            pattern: r#"§truncate(?: table(?: [\w$@\x80-\xFF]|~["`\[]\w)| NAME~(?:;|cascade\b|restart identity\b))"#,
            only_if: None,
            hits: &[
                "truncate table users",
                "TRUNCATE/*x*/TABLE\n[users]",
                "truncate users cascade",
                "1; truncate users;",
            ],
            misses: &[
                "truncate the text after 80 characters",
                "text-overflow: truncate;",
                "truncate(table)",
            ],
        },
        Rule {
            name: "delete-all",
            about: "A DELETE FROM a table without WHERE, or with a condition that is always true.",
            pattern: DELETE,
            only_if: Some(delete_of_all),
            hits: &[
                "delete from users",
                "DELETE/**/FROM/**/users;",
                "delete from \"users\" -- where id = 1",
                "delete from users where 1=1",
                "delete from users where 'a'='a' --",
                r#"{"q":"delete from users limit 9","note":"where"}"#,
                r#"{"q":"delete from users","note":"where"}"#,
                "delete from a; delete from b where id = 2",
                "delete from users where id = 1; delete from users",
                "delete from users /* where */ returning *",
            ],
            misses: &[
                "delete from users where id = 1",
                "you can delete from my list whatever you like",
                "delete from a using b where a.id = b.id",
                "what should I delete from basket?",
                "Delete From users AS u WHERE u.id = 1",
                "delete from \"users\" where \"id\" = 3",
                "delete from users where 1=10",
            ],
        },
        Rule {
            name: "update-all",
            about: "An UPDATE … SET without WHERE, or with a condition that is always true.",
            pattern: UPDATE,
            only_if: Some(update_of_all),
            hits: &[
                "update users set admin = 1",
                "UPDATE/**/users/**/SET/**/admin=1;",
                "update users set note = 'where' -- where id = 1",
                "update users set admin = true where true",
                r#"{"q":"update users set admin=1","note":"where"}"#,
                "update users set a = 1; select 1 where 1 = 2",
            ],
            misses: &[
                "update users set admin = 1 where id = 7",
                "update t set note = 'x;y', b = 2 where id = 7",
                "update t set name = \"x\", b = \"y\" where id = 7",
                "update the set of rules = fine",
                "update your settings",
            ],
        },
        Rule {
            name: "alter-drop",
            about: "An ALTER TABLE … DROP: of a column, a constraint, a partition.",
            pattern: r"§alter table [^;]*§drop\b",
            only_if: None,
            hits: &[
                "alter table users drop column name",
                "Alter Table/**/users ADD a int, DROP b",
                "alter table users /*!50000drop*/ name",
            ],
            misses: &[
                "alter table users add column name text",
                "alter table users add a int; -- drop it later",
            ],
        },
    ],
};
