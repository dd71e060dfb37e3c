//! The preset `xss`.

use super::{Preset, Rule};

/// What browsers ignore inside a URL's scheme: white space and control characters, also as entities.
const NOTHING: &str = r"(?:[\x00-\x20]|&(?:tab|newline);|&#0*(?:9|10|13);?|&#x0*[9ad];?|%0[9ad])*";

/// `<` is one as it is or percent-encoded; `{word}` is a word whose letters may be entities, with what browsers ignore
/// between them.
fn spell(pattern: &str) -> String {
    let mut spelt = String::from("(?i-u)");
    let mut rest = pattern;
    while let Some((before, (word, after))) = rest
        .split_once("{{")
        .and_then(|(before, rest)| Some((before, rest.split_once("}}")?)))
    {
        spelt.push_str(before);
        let letters: Vec<String> = word.chars().map(letter).collect();
        spelt.push_str(&letters.join(NOTHING));
        rest = after;
    }
    spelt.push_str(rest);
    spelt.replace('<', r"(?:\x3C|%(?:25)*3c)\x00*")
}

/// A letter or colon, as it is or as an entity.
fn letter(char: char) -> String {
    let (lower, upper) = (u32::from(char), u32::from(char.to_ascii_uppercase()));
    let name = if char == ':' { "|&colon;" } else { "" };
    format!("(?:{char}|&#0*(?:{lower}|{upper});?|&#x0*(?:{lower:x}|{upper:x});?{name})")
}

pub(super) const PRESET: Preset = Preset {
    name: "xss",
    about: "HTML that runs scripts where it is shown. HTML and JSX that somebody talks about match as well.",
    spell,
    secret: false,
    rules: &[
        Rule {
            name: "script",
            about: "A `script` element.",
            pattern: r"</?\s*script\b[^\w\s-]|<\s*script\s+[\w/]",
            only_if: None,
            hits: &[
                "<script>alert(1)</script>",
                "<ScRiPt/x>",
                "< script src=//x>",
                "%3Cscript%3Ealert(1)",
                r#"{"t":"\u003cscript\u003e"}"#,
                "<\0script>",
            ],
            misses: &["a <scripted> play", "if (a <script_count)", "the script: <b>"],
        },
        Rule {
            name: "event-handler",
            about: "A tag with an attribute such as `onerror`.",
            pattern: r#"<[a-z!/?][^>]*?[\s/"'`\x0C]on[a-z]{3,30}[\s\x00]*="#,
            only_if: None,
            hits: &[
                "<img src=x onerror=alert(1)>",
                "<svg/onload=alert(1)>",
                "<body\nonpageshow = 'x'>",
                r#"{"t":"<img src=\"x\"onerror=\"alert(1)\">"}"#,
                "<x onpointerrawupdate=alert(1)>",
            ],
            misses: &[
                "window.onload = start",
                "a < b and on = c",
                "<b>on=</b>",
                "<p> only =",
                r#"{"on":1}"#,
            ],
        },
        Rule {
            name: "attribute",
            about: "A quote that closes an attribute, and an event handler behind it.",
            pattern: r#"["'`][\s/]*\bon(?:error|load|click|dblclick|mouse[a-z]+|pointer[a-z]+|touch[a-z]+|focus(?:in|out)?
                |blur|key[a-z]+|toggle|animation[a-z]+|transition[a-z]+|wheel|scroll|paste|copy|cut|drag[a-z]*|drop
                |input|change|submit|begin|start|resize|hashchange|message|pageshow|beforeinput|contextmenu
                |auxclick)\s*=\s*[^\s=>]"#,
            only_if: None,
            hits: &[
                r#"" onmouseover="alert(1)"#,
                "x' onfocus=alert(1) autofocus='",
                r#"{"name":"\" autofocus onfocus=alert(1) x=\" onclick=a()"}"#,
            ],
            misses: &[r#"{"onclick":"save"}"#, "'onclick' == name", "it's on"],
        },
        Rule {
            name: "script-url",
            about: "A URL whose scheme is a script, with entities and white space in it, or HTML as `data:`.",
            pattern: r#"(?:(?:[=(]|&#0*(?:61|40);)\s*["'`]?[\x00-\x20]*(?:{{javascript:}}|{{vbscript:}})|(?:{{javascript:}}
                |{{vbscript:}})(?:[^\s"'<>,]|%0[9ad])[^\s"'<>]*(?:[(`=]|%28|&#0*40;|&lpar;|\\)
                |\bdata:\s*text/(?:html|xml)|\bdata:\s*image/svg\+xml[^"'\s]*(?:<|script|base64))"#,
            only_if: None,
            hits: &[
                "javascript:alert(1)",
                "<a href=' java\tscript:alert(1)'>",
                "href=\"&#106;avascript&colon;alert(1)\"",
                "href=jav&#x0A;ascript:x",
                r#"{"url":"\u006aavascript:alert`1`"}"#,
                "data:text/html,<b>",
                "[a](javascript: alert(1))",
            ],
            misses: &[
                "JavaScript: The Good Parts",
                r#"{"title":"JavaScript: the good parts (2008)"}"#,
                r#"{"javascript":"x"}"#,
                "data:image/png;base64,AAAA",
                "I know java, script: none",
            ],
        },
        Rule {
            name: "embedding",
            about: "Elements that load or hold a document: iframe, object, embed, svg and the like, and `srcdoc`.",
            pattern: r#"<\s*(?:(?:iframe|frameset|applet|svg|math|embed|portal|foreignobject)(?:[\s/>]|%20|%3e)|(?:object
                |base|meta|link|form|isindex)[\s/]+[a-z-]+\s*=)|<[a-z][^>]*\bsrcdoc\s*="#,
            only_if: None,
            hits: &[
                "<iframe src=//x>",
                "<SVG/x>",
                "<object data=//x>",
                "<embed src=x>",
                "<x srcdoc='a'>",
                "<base href=//x>",
                "<meta http-equiv=refresh>",
            ],
            misses: &[
                "Promise<object>",
                "Array<form>",
                "a <svg_count",
                "the srcdoc = attribute",
                "<b>math</b>",
            ],
        },
        Rule {
            name: "style",
            about: "A style that runs a script.",
            pattern: r#"\bstyle\s*=[^>]*?(?:expression\s*\(|behaviou?r\s*:|-moz-binding|{{javascript:}})
                |<style[^>]*>[^<]*(?:@import|expression\s*\()"#,
            only_if: None,
            hits: &[
                "<b style='x:expression(alert(1))'>",
                "<style>@import 'x'</style>",
                "style=\"-moz-binding:url(x)\"",
            ],
            misses: &["style = expression of taste", "the style='a'", "@import 'x'"],
        },
    ],
};
