"""certificates.py FOLDER: a CA (ca.pem), and by it gateway.pem, expired.pem and their key, gateway.key; and
another CA (other-ca.pem)."""
import datetime
import ipaddress
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

folder = pathlib.Path(sys.argv[1])
now = datetime.datetime.now(datetime.timezone.utc)
ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(file, subject, public_key, hosts, days):
    """Of these hosts, from a year ago until so many days from now; without hosts, a CA's own."""
    builder = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name('Test CA' if hosts else subject))
               .public_key(public_key).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(365)).not_valid_after(now + datetime.timedelta(days))
               .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True))
    if hosts:
        names = [x509.DNSName(host) for host in hosts] + [x509.IPAddress(ipaddress.ip_address('127.0.0.1'))]
        builder = (builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
                   .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False))
    pem = builder.sign(ca_key if hosts or subject == 'Test CA' else key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / file).write_bytes(pem)


(folder / 'gateway.key').write_bytes(key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
certificate('gateway.pem', 'gateway', key.public_key(), ['localhost', 'idle.test', 'brief.test'], 30)
certificate('expired.pem', 'expired', key.public_key(), ['expired.test'], -1)
certificate('ca.pem', 'Test CA', ca_key.public_key(), [], 30)
certificate('other-ca.pem', 'Other CA', key.public_key(), [], 30)
