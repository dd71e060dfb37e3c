//! What is known of each setting besides its type: its dotted name, its documentation, and which values it takes.
//!
//! The `settings!` macro makes the typed structs, their defaults and this table from one list, so that the three never
//! differ.

/// Settings that share the first part of their name.
#[derive(Debug)]
pub struct Section {
    /// Such as `limits`.
    pub name: &'static str,
    /// What the settings in it are about; Markdown.
    pub doc: &'static str,
    /// In the order of the reference.
    pub settings: &'static [Setting],
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Such as `limits.frame_bytes_max`.
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
    /// One of these words, or unset, which the empty text stands for.
    MaybeWord(&'static [&'static str]),
    /// A text.
    Text(Form),
    /// A list of texts.
    List(Form),
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
    /// The unit that the name carries, for a number.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        if !matches!(self.kind, Kind::Number(..)) {
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
        match self.kind {
            Kind::Flag => "true or false".to_owned(),
            Kind::Number(min, max) => {
                let of = self.unit().map(|unit| format!(" of {unit}")).unwrap_or_default();
                format!("a whole number{of} from {min} to {max}")
            }
            Kind::Word(words) => one_of(words),
            Kind::MaybeWord(words) => format!("{}, or \"\" for none", one_of(words)),
            Kind::Text(form) => form.what.to_owned(),
            Kind::List(form) => format!("a list, each {}", form.what),
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

/// Makes `Settings`, one struct a section with its `Default`, and `SECTIONS`.
macro_rules! settings {
    ($(
        $(#[doc = $section_doc:literal])+
        $section:ident: $Section:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $default:expr, $kind:expr;
            )+
        }
    )+) => {
        /// Everything that can be set.
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            $(
                $(#[doc = $section_doc])+
                pub $section: $Section,
            )+
        }

        $(
            $(#[doc = $section_doc])+
            #[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
            #[serde(default, deny_unknown_fields)]
            pub struct $Section {
                $(
                    $(#[doc = $doc])+
                    pub $field: $type,
                )+
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($field: $default,)+ }
                }
            }
        )+

        /// Every setting, in the order of the reference.
        pub const SECTIONS: &[$crate::config::schema::Section] = &[
            $(
                $crate::config::schema::Section {
                    name: stringify!($section),
                    doc: concat!($($section_doc),+),
                    settings: &[
                        $(
                            $crate::config::schema::Setting {
                                key: concat!(stringify!($section), ".", stringify!($field)),
                                doc: concat!($($doc),+),
                                kind: $kind,
                            },
                        )+
                    ],
                },
            )+
        ];
    };
}
pub(super) use settings;
