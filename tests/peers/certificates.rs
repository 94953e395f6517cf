//! Certificates, made anew for each test.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// An authority, a server at 127.0.0.1 and a client.
pub struct Certificates {
    folder: tempfile::TempDir,
    /// PEM of the authority.
    pub ca: String,
    /// PEM of the client's certificate and key.
    pub client: (String, String),
}

impl Certificates {
    pub fn new() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"))
                .expect("signs");
        let issue = |name: &str| {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
            // OpenSSL takes a certificate with the authority's own name for a self-signed one.
            params.distinguished_name.push(DnType::CommonName, name);
            let certificate = params.signed_by(&key, &authority).expect("signs");
            (certificate.pem(), key.serialize_pem())
        };
        let (server, client) = (issue("127.0.0.1"), issue("client"));
        let folder = tempfile::tempdir().expect("a folder");
        let ca = authority.pem();
        for (file, text) in [
            ("ca.pem", &ca),
            ("cert.pem", &server.0),
            ("key.pem", &server.1),
        ] {
            std::fs::write(folder.path().join(file), text).expect("writes");
        }
        Self { folder, ca, client }
    }

    fn path(&self, file: &str) -> PathBuf {
        Path::new(self.folder.path()).join(file)
    }

    /// The variables of the Collector's TLS configurations.
    pub fn collector_env(&self) -> Vec<(&'static str, String)> {
        [
            ("CERT", "cert.pem"),
            ("KEY", "key.pem"),
            ("CLIENT_CA", "ca.pem"),
        ]
        .map(|(name, file)| (name, self.path(file).display().to_string()))
        .to_vec()
    }
}
