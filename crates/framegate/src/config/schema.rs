//! What is known of each setting besides its type: its dotted name, its documentation, and which values it takes.
//!
//! The `settings!` macro makes the typed structs, their defaults and this table from one list, so that the three never
//! differ. A list of tables is one setting, whose rows have columns that are described as settings are.

use super::rows::Settle;

/// Settings that share all of their name but its last part, or one list of tables.
#[derive(Debug)]
pub struct Section {
    /// Such as `limits` or `safety.input`; of a list of tables the name of the list, such as `safety.input.rules`.
    pub name: &'static str,
    /// What the settings in it are about; Markdown.
    pub doc: &'static str,
    /// In the order of the reference.
    pub settings: &'static [Setting],
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Such as `limits.frame_bytes_max`; of a column its name alone.
    pub key: &'static str,
    /// What it does; Markdown.
    pub doc: &'static str,
    /// Which values it takes.
    pub kind: Kind,
}

/// Which values a setting takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Number(i64, i64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, in any order, none of them twice.
    Words(&'static [&'static str]),
    /// A text.
    Text(Form),
    /// One of the others, or unset, which the empty text stands for.
    Maybe(&'static Kind),
    /// A list of texts.
    List(Form),
    /// A list of tables.
    Rows(&'static Rows),
}

/// What is known of a list of tables.
#[derive(Debug)]
pub struct Rows {
    /// What a row can have, in the order of the reference.
    pub columns: &'static [Column],
    /// A row in which nothing is given, as a JSON object.
    pub(super) defaults: fn() -> serde_json::Value,
    /// Completes a row and holds it against the rules that several of its columns share.
    pub(super) settle: Settle,
}

/// A column of a list of tables.
#[derive(Debug)]
pub struct Column {
    /// Its name, its documentation and the values it takes.
    pub setting: Setting,
    /// Whether each row must have it.
    pub required: bool,
}

/// Which texts a setting takes.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// In a few words, such as "an IP address and a port".
    pub what: &'static str,
    /// Returns the text as the settings keep it, or what is wrong with it.
    pub check: fn(&str) -> Result<String, String>,
    /// Whether the text may hold a password, so that no message repeats it.
    pub private: bool,
}

impl Setting {
    /// Whether the value may hold a password, so that no message repeats it.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.kind.is_private()
    }

    /// The unit that the name carries, for a number.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        if !matches!(self.kind.when_set(), Kind::Number(..)) {
            return None;
        }
        self.key.split(['.', '_']).find_map(|part| match part {
            "bytes" => Some("bytes"),
            "ms" => Some("milliseconds"),
            "days" => Some("days"),
            _ => None,
        })
    }

    /// What the setting takes, as an error message and the reference say it.
    #[must_use]
    pub fn expected(&self) -> String {
        self.kind.expected(self.unit())
    }
}

impl Kind {
    /// What it takes where it is set.
    #[must_use]
    pub fn when_set(self) -> Self {
        match self {
            Self::Maybe(kind) => *kind,
            kind => kind,
        }
    }

    fn is_private(self) -> bool {
        match self {
            Self::Text(form) | Self::List(form) => form.private,
            Self::Maybe(kind) => kind.is_private(),
            _ => false,
        }
    }

    fn expected(self, unit: Option<&str>) -> String {
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Number(min, max) => {
                let of = unit.map(|unit| format!(" of {unit}")).unwrap_or_default();
                format!("a whole number{of} from {min} to {max}")
            }
            Self::Word(words) => one_of(words),
            Self::Words(words) => format!("a list, each {}", one_of(words)),
            Self::Text(form) => form.what.to_owned(),
            Self::Maybe(kind) => format!("{}, or \"\" for none", kind.expected(unit)),
            Self::List(form) => format!("a list, each {}", form.what),
            Self::Rows(rows) => {
                let names: Vec<&str> = rows.columns.iter().map(|column| column.setting.key).collect();
                format!("a list of tables with {}", names.join(", "))
            }
        }
    }
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.as_slice() {
        [only] => only.clone(),
        _ => format!("one of {}", quoted.join(", ")),
    }
}

/// Makes `Settings`, one struct a section and one a row, each with its `Default`, and `SECTIONS`.
///
/// A column without a default must be given in each row.
macro_rules! settings {
    ($(
        $(#[doc = $section_doc:literal])+
        $section_name:literal => $section:ident: $Section:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $default:expr, $kind:expr;
            )+
        }
        $(list {
            $(#[doc = $list_doc:literal])+
            $list_name:literal => $list:ident: Vec<$Row:ident> {
                $(
                    $(#[doc = $column_doc:literal])+
                    $column:ident: $column_type:ty $(= $column_default:expr)?, $column_kind:expr;
                )+
            }
        })*
    )+) => {
        /// Everything that can be set.
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            $(
                $(#[doc = $section_doc])+
                #[serde(rename = $section_name)]
                pub $section: $Section,
                $(
                    $(#[doc = $list_doc])+
                    #[serde(rename = $list_name)]
                    pub $list: Vec<$Row>,
                )*
            )+
        }

        $(
            $crate::config::schema::settings!(@table $(#[doc = $section_doc])+ $Section {
                $($(#[doc = $doc])+ $field: $type = $default;)+
            });
            $(
                $crate::config::schema::settings!(@table $(#[doc = $list_doc])+ $Row {
                    $($(#[doc = $column_doc])+ $column: $column_type $(= $column_default)?;)+
                });
            )*
        )+

        /// Every setting, in the order of the reference.
        pub const SECTIONS: &[$crate::config::schema::Section] = &[
            $(
                $crate::config::schema::Section {
                    name: $section_name,
                    doc: concat!($($section_doc),+),
                    settings: &[
                        $(
                            $crate::config::schema::Setting {
                                key: concat!($section_name, ".", stringify!($field)),
                                doc: concat!($($doc),+),
                                kind: $kind,
                            },
                        )+
                    ],
                },
                $(
                    $crate::config::schema::Section {
                        name: $list_name,
                        doc: concat!($($list_doc),+),
                        settings: &[$crate::config::schema::Setting {
                            key: $list_name,
                            doc: concat!($($list_doc),+),
                            kind: $crate::config::schema::Kind::Rows(&$crate::config::schema::Rows {
                                columns: &[
                                    $(
                                        $crate::config::schema::Column {
                                            setting: $crate::config::schema::Setting {
                                                key: stringify!($column),
                                                doc: concat!($($column_doc),+),
                                                kind: $column_kind,
                                            },
                                            required: $crate::config::schema::settings!(@required $($column_default)?),
                                        },
                                    )+
                                ],
                                defaults: $crate::config::rows::defaults::<$Row>,
                                settle: $crate::config::rows::settle::<$Row>,
                            }),
                        }],
                    },
                )*
            )+
        ];
    };

    (@table $(#[doc = $table_doc:literal])+ $Table:ident {
        $($(#[doc = $doc:literal])+ $field:ident: $type:ty $(= $default:expr)?;)+
    }) => {
        $(#[doc = $table_doc])+
        #[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $Table {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl Default for $Table {
            fn default() -> Self {
                Self { $($field: $crate::config::schema::settings!(@default $($default)?),)+ }
            }
        }
    };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
    (@required) => { true };
    (@required $default:expr) => { false };
}
pub(super) use settings;
