//! A second opinion on RFC 1951: a plain inflater that reads no further back than its window, and a sender for the
//! window that no library writes. Neither shares a line with the engine.

/// Inflates the messages of one direction, each with the tail that its sender cut off.
pub struct Strict {
    /// All that came before, as far as the window reaches back.
    window: Vec<u8>,
    window_bytes: usize,
    takeover: bool,
}

impl Strict {
    pub fn new(window_bits: u8, takeover: bool) -> Self {
        Self {
            window: Vec::new(),
            window_bytes: 1 << window_bits,
            takeover,
        }
    }

    /// One message; an error says what is wrong with it.
    pub fn message(&mut self, compressed: &[u8]) -> Result<Vec<u8>, &'static str> {
        let bytes = [compressed, &[0, 0, 0xff, 0xff]].concat();
        let mut out = std::mem::take(&mut self.window);
        let before = out.len();
        let mut bits = Bits { bytes: &bytes, at: 0 };
        while bits.at + 3 <= bytes.len() * 8 {
            let last = bits.take(1)? == 1;
            match bits.take(2)? {
                0 => stored(&mut bits, &mut out)?,
                1 => self.coded(&mut bits, &mut out, &fixed())?,
                2 => {
                    let codes = dynamic(&mut bits)?;
                    self.coded(&mut bits, &mut out, &codes)?;
                }
                _ => return Err("a block of no type"),
            }
            if last {
                return Err("a last block");
            }
        }
        let message = out[before..].to_vec();
        if self.takeover {
            let keep = out.len().saturating_sub(self.window_bytes);
            self.window = out.split_off(keep);
        }
        Ok(message)
    }

    fn coded(&self, bits: &mut Bits<'_>, out: &mut Vec<u8>, codes: &[Code; 2]) -> Result<(), &'static str> {
        loop {
            let symbol = codes[0].read(bits)?;
            match symbol {
                0..256 => out.push(symbol as u8),
                256 => return Ok(()),
                _ => {
                    let (base, extra) = *LENGTHS.get(symbol - 257).ok_or("no length")?;
                    let len = usize::from(base) + bits.take(extra)?;
                    let (base, extra) = *DISTANCES.get(codes[1].read(bits)?).ok_or("no distance")?;
                    let distance = usize::from(base) + bits.take(extra)?;
                    if distance > self.window_bytes {
                        return Err("behind the window");
                    }
                    let from = out.len().checked_sub(distance).ok_or("before all that was sent")?;
                    for at in from..from + len {
                        out.push(out[at]);
                    }
                }
            }
        }
    }
}

/// Bits, the lowest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u8) -> Result<usize, &'static str> {
        let mut value = 0;
        for place in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or("ends inside a block")?;
            value |= usize::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Ok(value)
    }
}

fn stored(bits: &mut Bits<'_>, out: &mut Vec<u8>) -> Result<(), &'static str> {
    bits.at = bits.at.next_multiple_of(8);
    let (len, inverse) = (bits.take(16)?, bits.take(16)?);
    if len ^ inverse != 0xffff {
        return Err("a length that is not its inverse");
    }
    let from = bits.at / 8;
    out.extend_from_slice(bits.bytes.get(from..from + len).ok_or("ends inside a stored block")?);
    bits.at += len * 8;
    Ok(())
}

/// A Huffman code by its lengths: how many codes there are of each length, and the symbols in the order of their codes.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        lengths.iter().for_each(|len| counts[usize::from(*len)] += 1);
        counts[0] = 0;
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|symbol| lengths[*symbol] > 0).collect();
        symbols.sort_by_key(|symbol| (lengths[*symbol], *symbol));
        Self { counts, symbols }
    }

    fn read(&self, bits: &mut Bits<'_>) -> Result<usize, &'static str> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.take(1)?;
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err("no symbol has this code")
    }
}

fn fixed() -> [Code; 2] {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    [Code::new(&lengths), Code::new(&[5; 30])]
}

fn dynamic(bits: &mut Bits<'_>) -> Result<[Code; 2], &'static str> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances, count) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    let mut lengths = [0; 19];
    for place in &ORDER[..count] {
        lengths[*place] = bits.take(3)? as u8;
    }
    let code = Code::new(&lengths);
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (len, times) = match code.read(bits)? {
            16 => (*lengths.last().ok_or("nothing to repeat")?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            len => (len as u8, 1),
        };
        lengths.extend(std::iter::repeat_n(len, times));
    }
    let (literals, distances) = lengths.split_at(literals);
    Ok([Code::new(literals), Code::new(distances)])
}

const LENGTHS: [(u16, u8); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

const DISTANCES: [(u16, u8); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];

/// Compresses with a window of 256 bytes, as no library does: the fixed code, and the first match that is found.
pub struct Small {
    window: Vec<u8>,
    takeover: bool,
}

impl Small {
    pub const fn new(takeover: bool) -> Self {
        Self {
            window: Vec::new(),
            takeover,
        }
    }

    pub fn compress(&mut self, message: &[u8], out: &mut Vec<u8>) {
        let mut all = std::mem::take(&mut self.window);
        let mut at = all.len();
        all.extend_from_slice(message);
        let mut bits = Vec::new();
        push(&mut bits, 0b010, 3);
        while at < all.len() {
            // As far back as may be first: it is the far end of the window that is to be tried.
            let from = at.saturating_sub(256);
            let same = |from: usize| {
                (0..18)
                    .take_while(|n| at + n < all.len() && all[from + n] == all[at + n])
                    .count()
            };
            match (from..at).map(|from| (from, same(from))).find(|(_, len)| *len >= 3) {
                Some((from, len)) => {
                    let symbol = LENGTHS.iter().rposition(|(base, _)| usize::from(*base) <= len).unwrap();
                    // Only lengths without, or with one extra bit are looked for.
                    push_code(&mut bits, symbol + 1, 7);
                    push(&mut bits, len - usize::from(LENGTHS[symbol].0), LENGTHS[symbol].1);
                    let distance = at - from;
                    let symbol = DISTANCES
                        .iter()
                        .rposition(|(base, _)| usize::from(*base) <= distance)
                        .unwrap();
                    push_code(&mut bits, symbol, 5);
                    push(
                        &mut bits,
                        distance - usize::from(DISTANCES[symbol].0),
                        DISTANCES[symbol].1,
                    );
                    at += len;
                }
                None => {
                    match usize::from(all[at]) {
                        low @ 0..144 => push_code(&mut bits, 0x30 + low, 8),
                        high => push_code(&mut bits, 0x190 + high - 144, 9),
                    }
                    at += 1;
                }
            }
        }
        push_code(&mut bits, 0, 7);
        push(&mut bits, 0, 3);
        out.extend(
            bits.chunks(8)
                .map(|byte| byte.iter().rev().fold(0, |sum, bit| sum << 1 | bit)),
        );
        if self.takeover {
            let keep = all.len().saturating_sub(256);
            self.window = all.split_off(keep);
        }
    }
}

/// A number, its lowest bit first.
fn push(bits: &mut Vec<u8>, value: usize, count: u8) {
    bits.extend((0..count).map(|place| (value >> place & 1) as u8));
}

/// A code, its highest bit first.
fn push_code(bits: &mut Vec<u8>, code: usize, count: u8) {
    bits.extend((0..count).rev().map(|place| (code >> place & 1) as u8));
}
