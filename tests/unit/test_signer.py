"""HMAC: the published vectors of RFC 4231, the standard library as oracle for every scheme, and what is refused.

Parity with jupyter_client's Session is in tests/parity; here the algorithm itself, and the edge of the Python API.
"""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelws import KernelwsError, SignatureError, UnsupportedScheme, _core
from tests.parity.messages import DIGESTS
from tests.support.native import sign, verify

# RFC 4231, section 4: key, data, and the first digits of HMAC-SHA-224, -256, -384 and -512 (case 5 is truncated there)
RFC_4231 = {
    "4.2": (
        b"\x0b" * 20,
        b"Hi There",
        "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        (
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
            "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"
        ),
    ),
    "4.3": (
        b"Jefe",
        b"what do ya want for nothing?",
        "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        (
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        ),
    ),
    "4.4": (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "7fb3cb3588c6c1f6ffa9694d7d6ad2649365b0c1f65d69d1ec8333ea",
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
        (
            "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
            "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"
        ),
    ),
    "4.5": (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "6c11506874013cac6a2abc1bb382627cec6a90d86efc012de7afec5a",
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb",
        (
            "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db"
            "a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"
        ),
    ),
    "4.6": (
        b"\x0c" * 20,
        b"Test With Truncation",
        "0e2aea68a90c8d37c988bcdb9fca6fa8",
        "a3b6167473100ee06e0c796c2955552b",
        "3abf34c3503b2a23a46efc619baef897",
        "415fad6271580a531d4179bc891d87a6",
    ),
    "4.7": (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
        (
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
            "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"
        ),
    ),
    "4.8": (
        b"\xaa" * 131,
        (
            b"This is a test using a larger than block-size key and a larger than block-size data. "
            b"The key needs to be hashed before being used by the HMAC algorithm."
        ),
        "3a854166ac5d9f023f54d517d0b39dbd946770db9c2b95c9f6f565d1",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e",
        (
            "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944"
            "b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58"
        ),
    ),
}
SHA_2 = ("sha224", "sha256", "sha384", "sha512")
PARTS = [b'{"msg_type":"a"}', b"{}", b"{}", b'{"code":"1+1"}']


@pytest.mark.parametrize("digest", SHA_2)
@pytest.mark.parametrize("section", RFC_4231)
def test_rfc_4231(section: str, digest: str) -> None:
    key, data, *expected = RFC_4231[section]
    signature = sign(_core.Signer(key, f"hmac-{digest}"), [data])
    assert signature.decode().startswith(expected[SHA_2.index(digest)])
    assert len(signature) == 2 * hashlib.new(digest).digest_size


@given(key=st.binary(min_size=1, max_size=200), parts=st.lists(st.binary(max_size=300), min_size=4, max_size=6))
def test_every_scheme_is_the_standard_librarys(key: bytes, parts: list[bytes]) -> None:
    for digest in DIGESTS:
        expected = hmac.new(key, b"".join(parts[:4]), digest).hexdigest().encode()
        assert sign(_core.Signer(key, f"hmac-{digest}"), parts) == expected


def test_every_fixed_length_digest_that_hashlib_guarantees_is_a_scheme() -> None:
    fixed = {name for name in hashlib.algorithms_guaranteed if hashlib.new(name).digest_size}
    assert fixed == set(DIGESTS)
    for name in hashlib.algorithms_guaranteed - fixed:
        with pytest.raises(UnsupportedScheme):
            _core.Signer(b"key", f"hmac-{name}")


@pytest.mark.parametrize("scheme", ["", "sha256", "hmac-", "hmac-SHA256", "hmac-sha-256", "hmac-sha256 ", "HMAC-sha256"])
def test_an_unknown_scheme_is_an_error_that_names_it_but_no_key(scheme: str) -> None:
    for make in (_core.Signer, _core.Receiver):
        with pytest.raises(UnsupportedScheme, match="hmac-") as caught:
            make(b"a-secret-key", scheme)
        assert scheme in str(caught.value)
        assert "a-secret-key" not in str(caught.value)
        assert isinstance(caught.value, KernelwsError)
        assert isinstance(caught.value, ValueError)


def test_a_large_message_is_signed_whole() -> None:
    """Above 64 KiB the work is done without the GIL."""
    parts = [*PARTS[:3], b"x" * 1_000_000]
    assert sign(_core.Signer(b"k", "hmac-sha256"), parts) == hmac.new(b"k", b"".join(parts), "sha256").hexdigest().encode()


def test_with_a_key_only_the_one_signature_verifies() -> None:
    signer = _core.Signer(b"key", "hmac-sha256")
    good = sign(signer, PARTS)
    verify(b"key", "hmac-sha256", good, PARTS)
    verify(b"key", "hmac-sha256", memoryview(good), [*PARTS, b"a buffer is not signed"])
    flipped = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))]
    for bad in [*flipped, good.upper(), good[:-1], good + b"0", b"0", bytes.fromhex(good.decode())]:
        with pytest.raises(SignatureError) as caught:
            verify(b"key", "hmac-sha256", bad, PARTS)
        assert caught.value.kind == "bad_signature"
    with pytest.raises(SignatureError) as caught:
        verify(b"key", "hmac-sha256", b"", PARTS)
    assert caught.value.kind == "unsigned"
    for at in range(4):
        with pytest.raises(SignatureError):
            verify(b"key", "hmac-sha256", good, [*PARTS[:at], PARTS[at] + b" ", *PARTS[at + 1 :]])


def test_without_a_key_nothing_is_signed_and_everything_verifies() -> None:
    signer = _core.Signer(b"", "hmac-sha256")
    assert sign(signer, PARTS) == b""
    verify(b"", "hmac-sha256", b"", PARTS)
    verify(b"", "hmac-sha256", b"anything", PARTS)
