//! The test vectors of RFC 4231 for SHA-2; for the other digests, values from Python's `hmac`.

use super::*;

/// `(key, data, SHA-224, SHA-256, SHA-384, SHA-512)`: the cases 1 to 4, 6 and 7 of RFC 4231. Case 5 tests truncation.
type Case = (Vec<u8>, &'static [u8], [&'static str; 4]);

fn rfc_4231() -> Vec<Case> {
    vec![
        (
            vec![0x0b; 20],
            b"Hi There",
            [
                "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
            ],
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?",
            [
                "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ],
        ),
        (
            vec![0xaa; 20],
            &[0xdd; 50],
            [
                "7fb3cb3588c6c1f6ffa9694d7d6ad2649365b0c1f65d69d1ec8333ea",
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
                "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
                "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb",
            ],
        ),
        (
            (1..=25).collect(),
            &[0xcd; 50],
            [
                "6c11506874013cac6a2abc1bb382627cec6a90d86efc012de7afec5a",
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
                "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb",
                "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd",
            ],
        ),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            [
                "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
            ],
        ),
        (
            vec![0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
            [
                "3a854166ac5d9f023f54d517d0b39dbd946770db9c2b95c9f6f565d1",
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
                "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e",
                "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58",
            ],
        ),
    ]
}

fn hex(key: &[u8], digest: &str, parts: &[&[u8]]) -> String {
    String::from_utf8(Signer::new(key, &format!("hmac-{digest}")).unwrap().sign(parts)).unwrap()
}

#[test]
fn hmac_sha2_is_that_of_rfc_4231() {
    for (key, data, expected) in rfc_4231() {
        for (digest, expected) in ["sha224", "sha256", "sha384", "sha512"].into_iter().zip(expected) {
            assert_eq!(hex(&key, digest, &[data]), expected, "{digest}");
        }
    }
}

#[test]
fn the_other_digests_are_those_of_hashlib() {
    for (digest, short, long) in [
        (
            "md5",
            "80070713463e7749b90c2dc24911e275",
            "9bf785629eae94112dad3d2d9162dae6",
        ),
        (
            "sha1",
            "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9",
            "69bc8db56eadff85feed9183c1a23181",
        ),
        (
            "sha3_224",
            "ff6fa8447ce10fb1efdccfe62caf8b640fe46c4fb1007912bf85100f",
            "3a4fcfd75a3e99074b432ca1f3227c05",
        ),
        (
            "sha3_256",
            "8c6e0683409427f8931711b10ca92a506eb1fafa48fadd66d76126f47ac2c333",
            "49c74846fe806e8e22acf078291b96e7",
        ),
        (
            "sha3_384",
            "aa739ad9fcdf9be4a04f06680ade7a1bd1e01a0af64accb04366234cf9f6934a0f8589772f857681fcde8acc256091a2",
            "96b5aa727672f7eba35ab8484e15358f",
        ),
        (
            "sha3_512",
            "237a35049c40b3ef5ddd960b3dc893d8284953b9a4756611b1b61bffcf53edd979f93547db714b06ef0a692062c609b70208ab8d4a280ceee40ed8100f293063",
            "0733f1f947887d6ad5deaca79b8e69ee",
        ),
        (
            "blake2b",
            "92294f92c0dfb9b00ec9ae8bd94d7e7d8a036b885a499f149dfe2fd2199394aaaf6b8894a1730cccb2cd050f9bcf5062a38b51b0dab33207f8ef35ae2c9df51b",
            "7ec564f7e358e9c924eb0c1c50f4a316",
        ),
        (
            "blake2s",
            "f93215bb90d4af4c3061cd932fb169fb8bb8a91d0b4022baea1271e1323cd9a0",
            "6cc45702367477c1e37f3f20f17710c8",
        ),
    ] {
        let data = b"The quick brown fox jumps over the lazy dog";
        assert_eq!(hex(b"key", digest, &[data]), short, "{digest}");
        assert!(
            hex(&[b'k'; 200], digest, &[data]).starts_with(long),
            "{digest} with a key longer than a block"
        );
    }
}

#[test]
fn the_first_four_parts_are_signed_and_no_others() {
    let joined = hex(b"key", "sha256", &[b"abcd"]);
    assert_eq!(hex(b"key", "sha256", &[b"a", b"b", b"c", b"d", b"buffer"]), joined);
    assert_ne!(hex(b"key", "sha256", &[b"a", b"b", b"c"]), joined);
}

#[test]
fn verify_tells_unsigned_from_wrong() {
    for name in NAMES {
        let signer = Signer::new(b"key", &format!("hmac-{name}")).unwrap();
        let parts = [b"{}"; 4];
        let signature = signer.sign(&parts);
        let digest = signer.verify(&signature, &parts).unwrap().unwrap();
        assert_eq!(
            digest.prefix(),
            u128::from_le_bytes(digest.bytes[..16].try_into().unwrap())
        );
        assert_ne!(digest.prefix(), 0, "{name}");
        let refused = |signature: &[u8]| signer.verify(signature, &parts).err();
        assert_eq!(refused(b""), Some(Malformed::Unsigned));
        assert_eq!(refused(&signature.to_ascii_uppercase()), Some(Malformed::BadSignature));
        for cut in 1..signature.len() {
            assert_eq!(
                refused(&signature[..cut]),
                Some(Malformed::BadSignature),
                "{name} {cut}"
            );
        }
        assert_eq!(refused(&[&signature[..], b"0"].concat()), Some(Malformed::BadSignature));
        for at in 0..signature.len() {
            let mut forged = signature.clone();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(refused(&forged), Some(Malformed::BadSignature), "{name} {at}");
        }
        assert_eq!(
            signer.verify(&signature, &[b"[]"; 4]).err(),
            Some(Malformed::BadSignature)
        );
    }
}

#[test]
fn without_a_key_nothing_is_signed_and_everything_verifies() {
    let signer = Signer::new(b"", "hmac-sha256").unwrap();
    assert!(signer.sign(&[b"{}"; 4]).is_empty());
    for signature in [&b""[..], b"x"] {
        assert!(matches!(signer.verify(signature, &[b"{}"; 4]), Ok(None)));
    }
}

#[test]
fn only_fixed_length_digests_of_hashlib_are_schemes() {
    for scheme in [
        "",
        "sha256",
        "hmac-",
        "hmac-SHA256",
        "hmac-shake_128",
        "hmac-sha512_256",
        "hmac-sha256 ",
        "HMAC-sha256",
    ] {
        for key in [&b""[..], b"key"] {
            assert_eq!(Signer::new(key, scheme).err(), Some(UnsupportedScheme), "{scheme}");
        }
    }
    assert_eq!(NAMES.len(), 12);
}

#[test]
fn a_signer_shows_nothing_of_its_key() {
    let shown = format!("{:?}", Signer::new(b"secret", "hmac-sha256").unwrap());
    assert_eq!(shown, "Signer { keyed: true, .. }");
}
