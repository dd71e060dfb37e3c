//! Each rule of each preset matches what it says it matches.

use super::super::presets::PRESETS;
use super::*;

#[test]
fn every_rule_matches_its_examples_and_nothing_of_its_preset_their_neighbours() {
    let mut wrong = Vec::new();
    for preset in PRESETS {
        let rules = rules(&[preset.name], &[]);
        for rule in preset.rules {
            let id = format!("{}/{}", preset.name, rule.name);
            assert!(
                !rule.hits.is_empty() && !rule.misses.is_empty() && rule.about.ends_with('.'),
                "{id}"
            );
            let alone = super::rules(&[], &[(&id, &preset.pattern(rule))]);
            for hit in rule.hits {
                // The pattern itself, and somewhere in a larger text of each kind.
                if check(&alone, hit).is_none() {
                    wrong.push(format!("{id} does not match {hit:?}"));
                }
                let json = serde_json::json!({"type": "chat", "content": {hit.to_owned(): [hit]}}).to_string();
                for text in [
                    (*hit).to_owned(),
                    json.clone(),
                    format!("42{json}"),
                    serde_json::json!(json).to_string(),
                ] {
                    if check(&rules, &text).is_none() {
                        wrong.push(format!("{id} is not found in {text:?}"));
                    }
                }
            }
            for miss in rule.misses {
                let json = serde_json::json!({ "content": miss }).to_string();
                for text in [*miss, &json] {
                    if let Some(found) = check(&rules, text) {
                        wrong.push(format!("{} matches {text:?} on {:?}", found.rule_id, found.matched_on));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_rule_that_an_example_is_for_is_the_one_that_finds_it() {
    for preset in PRESETS {
        for rule in preset.rules {
            let rules = rules(&[preset.name], &[]);
            let ids: Vec<_> = rule.hits.iter().filter_map(|hit| check(&rules, hit)).collect();
            let id = format!("{}/{}", preset.name, rule.name);
            assert!(ids.iter().any(|found| *found.rule_id == *id), "{id}: {ids:?}");
        }
    }
}

/// Without anchors, what stands between quotes need not be looked at.
#[test]
fn no_pattern_of_a_preset_asks_where_a_text_ends_nor_for_words_of_unicode() {
    for preset in PRESETS {
        for rule in preset.rules {
            let looks = super::super::patterns::properties(&preset.pattern(rule))
                .unwrap()
                .look_set();
            assert!(
                !looks.contains_anchor() && !looks.contains_word_unicode(),
                "{}",
                rule.name
            );
        }
    }
}
