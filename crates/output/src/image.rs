//! The name of a container's image, taken apart.

/// An image as logs name it: `registry.local:5000/shop/web:2.1@sha256:…`, each part but the name being
/// optional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image<'a> {
    /// The registry and the repository; empty where only a digest is named.
    pub name: &'a str,
    /// The tag.
    pub tag: Option<&'a str>,
    /// The digest with its algorithm.
    pub digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    pub(crate) fn of(text: &'a str) -> Image<'a> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None if text.starts_with("sha256:") => ("", Some(text)),
            None => (text, None),
        };
        // A registry's port stands before a slash, a tag after the last one.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        Image { name, tag, digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_port_is_no_tag() {
        let parts = |text| {
            let Image { name, tag, digest } = Image::of(text);
            (name, tag, digest)
        };
        assert_eq!(parts("nginx"), ("nginx", None, None));
        assert_eq!(parts("nginx:1.27"), ("nginx", Some("1.27"), None));
        assert_eq!(parts("reg.local:5000/a/b"), ("reg.local:5000/a/b", None, None));
        assert_eq!(parts("reg.local:5000/a/b:7"), ("reg.local:5000/a/b", Some("7"), None));
        let pinned = parts("nginx:1.27@sha256:abcd");
        assert_eq!(pinned, ("nginx", Some("1.27"), Some("sha256:abcd")));
        assert_eq!(parts("sha256:abcd"), ("", None, Some("sha256:abcd")));
    }
}
