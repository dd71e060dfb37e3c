//! Masking (RFC 6455 §5.3): an XOR with a four-byte key that repeats.

/// Masks or unmasks `payload` in place, as the bytes that stand `offset` bytes behind the start of their frame's
/// payload.
pub fn apply(payload: &mut [u8], key: [u8; 4], offset: u64) {
    let wide = wide_key(key, offset);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        for (byte, key) in chunk.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(wide) {
        *byte ^= key;
    }
}

/// Appends `payload` to `out`, unmasked if there is a key.
pub fn unmask_into(out: &mut Vec<u8>, payload: &[u8], key: Option<[u8; 4]>, offset: u64) {
    let from = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        apply(&mut out[from..], key, offset);
    }
}

/// The key twice, turned so that its first byte is for the byte at `offset`. Eight bytes at a time let the compiler
/// use the widest registers that there are.
fn wide_key(key: [u8; 4], offset: u64) -> [u8; 8] {
    #[allow(clippy::cast_possible_truncation)] // below 4
    let turn = (offset % 4) as usize;
    std::array::from_fn(|i| key[(i + turn) % 4])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_split_masks_as_the_rfc_says(payload: Vec<u8>, key: [u8; 4], cut: prop::sample::Index, base in 0u64..9) {
            let plain: Vec<u8> =
                payload.iter().enumerate().map(|(i, byte)| byte ^ key[(i + base as usize) % 4]).collect();
            let cut = cut.index(payload.len() + 1);
            let mut out = Vec::new();
            unmask_into(&mut out, &payload[..cut], Some(key), base);
            unmask_into(&mut out, &payload[cut..], Some(key), base + cut as u64);
            prop_assert_eq!(out, plain);
        }
    }
}
