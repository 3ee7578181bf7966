//! Hashes of a program as its log wrote them, taken apart.

/// A hash algorithm that public schemas have a place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
    /// Of a program's imports; it says of which family it is, not which file.
    ImpHash,
}

/// The hashes of a text such as `SHA256=9F86…,IMPHASH=…`, lowercase. What is not of its algorithm's
/// length in hexadecimal digits is left out: a consumer would index it as a hash.
pub(crate) fn hashes(text: &str) -> Vec<(Algorithm, String)> {
    let mut found: Vec<(Algorithm, String)> = text
        .split([',', ' ', ';'])
        .filter_map(|part| part.trim().split_once(['=', ':']))
        .filter_map(|(name, value)| {
            let (algorithm, digits) = match name.to_ascii_uppercase().as_str() {
                "MD5" => (Algorithm::Md5, 32),
                "SHA1" | "SHA-1" => (Algorithm::Sha1, 40),
                "SHA256" | "SHA-256" => (Algorithm::Sha256, 64),
                "SHA512" | "SHA-512" => (Algorithm::Sha512, 128),
                "IMPHASH" => (Algorithm::ImpHash, 32),
                _ => return None,
            };
            let fits = value.len() == digits && value.bytes().all(|byte| byte.is_ascii_hexdigit());
            fits.then(|| (algorithm, value.to_ascii_lowercase()))
        })
        .collect();
    found.sort();
    found.dedup_by_key(|(algorithm, _)| *algorithm);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_hash_is_taken_for_one() {
        let md5 = "D41D8CD98F00B204E9800998ECF8427E";
        let text = format!("SHA256=xyz,MD5={md5},IMPHASH={md5}0,SHA1");
        assert_eq!(hashes(&text), [(Algorithm::Md5, md5.to_lowercase())]);
        assert_eq!(hashes("a\u{1b}=b,\n"), []);
    }
}
