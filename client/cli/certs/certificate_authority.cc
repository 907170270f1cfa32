#include "client/cli/certs/certificate_authority.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/tls/certificates.h"

namespace waferline::cli {
namespace {

namespace fs = std::filesystem;

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

constexpr int64_t kMaxClockSkew = 60;  // seconds by which a peer's clock may be behind
constexpr size_t kMaxPemBytes = 1 << 20;

template <typename Write>
std::string Pem(Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  WL_CHECK(write(bio.get()) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(size)};
}

std::string PemOf(X509* certificate) {
  return Pem([certificate](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

std::string PemOf(EVP_PKEY* key) {
  return Pem([key](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

absl::Status WriteSecret(const std::string& path, const std::string& text) {
  const mode_t before = umask(0077);
  const absl::Status status = WriteFile(path, text);
  umask(before);
  return status;
}

absl::StatusOr<Certificate> ReadCertificate(const std::string& path) {
  WL_RETURN_IF_ERROR(CheckRegularFile(path, kMaxPemBytes));
  WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxPemBytes));
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
  Certificate read(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
  if (read == nullptr) return absl::InvalidArgumentError(path + " holds no PEM certificate");
  return read;
}

absl::StatusOr<Key> ReadKey(const std::string& path) {
  WL_RETURN_IF_ERROR(CheckRegularFile(path, kMaxPemBytes));
  WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxPemBytes));
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
  // Without asking for a password at the terminal.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  Key read(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr), &EVP_PKEY_free);
  if (read == nullptr) {
    return absl::InvalidArgumentError(path + " holds no PEM key that is not encrypted");
  }
  return read;
}

// A certificate with a random number, for `key`, not signed yet.
Certificate Draft(EVP_PKEY* key, const std::string& subject, int64_t valid_seconds) {
  Certificate made(X509_new(), &X509_free);
  X509_set_version(made.get(), X509_VERSION_3);
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(BN_new(), &BN_free);
  BN_rand(number.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY);
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(made.get()));
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -kMaxClockSkew);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), static_cast<long>(valid_seconds));
  X509_set_pubkey(made.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
  return made;
}

void Extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  WL_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

absl::StatusOr<std::string> AlternativeNames(const std::string& uri,
                                             const std::vector<std::string>& hosts) {
  std::string names = "URI:" + uri;
  for (const std::string& host : hosts) {
    unsigned char address[16];
    const bool ip = inet_pton(AF_INET, host.c_str(), address) == 1 ||
                    inet_pton(AF_INET6, host.c_str(), address) == 1;
    if (!ip && !tls::IsPathSegment(host)) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", host, "' is neither a host name nor an IP address"));
    }
    absl::StrAppend(&names, ip ? ",IP:" : ",DNS:", host);
  }
  return names;
}

// Points the link at `target`, for readers at one instant.
absl::Status Relink(const fs::path& link, const fs::path& target) {
  const fs::path fresh = link.string() + ".new";
  std::error_code error;
  fs::remove(fresh, error);
  fs::create_symlink(target, fresh, error);
  if (!error) fs::rename(fresh, link, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(link.string(), ": ", error.message()));
}

absl::Status MakeFolder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path.string(), ": ", error.message()));
}

int64_t ExpiresUnix(const X509* certificate) {
  return tls::UnixSecondsOf(X509_get0_notAfter(certificate));
}

}  // namespace

absl::Status CertificateAuthority::Create(const std::string& dir, const std::string& name,
                                          int64_t valid_seconds) {
  if (fs::exists(fs::path(dir) / "ca.key")) {
    return absl::AlreadyExistsError(dir + " has an authority (ca.key)");
  }
  WL_RETURN_IF_ERROR(MakeFolder(dir));
  const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  WL_CHECK(key != nullptr);
  const Certificate own = Draft(key.get(), name, valid_seconds);
  X509_set_issuer_name(own.get(), X509_get_subject_name(own.get()));
  Extend(own.get(), own.get(), NID_basic_constraints, "critical,CA:TRUE");
  Extend(own.get(), own.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  Extend(own.get(), own.get(), NID_subject_key_identifier, "hash");
  WL_CHECK(X509_sign(own.get(), key.get(), EVP_sha256()) > 0);
  WL_RETURN_IF_ERROR(WriteSecret(dir + "/ca.key", PemOf(key.get())));
  return WriteFile(dir + "/ca.crt", PemOf(own.get()));
}

absl::StatusOr<IssuedCertificate> CertificateAuthority::Issue(const IssueSpec& spec) const {
  WL_ASSIGN_OR_RETURN(const Key ca_key, ReadKey(dir_ + "/ca.key"));
  WL_ASSIGN_OR_RETURN(const Certificate ca, ReadCertificate(dir_ + "/ca.crt"));
  if (X509_check_private_key(ca.get(), ca_key.get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(
        absl::StrCat(dir_, "/ca.key is not the key of ", dir_,
                     "/ca.crt: what it signs would be refused; put back the one that belongs to "
                     "it, or make another authority in an empty folder"));
  }
  const std::string uri = tls::UriOf(spec.identity);
  WL_RETURN_IF_ERROR(tls::ParseIdentity(uri).status());
  WL_ASSIGN_OR_RETURN(const std::string names, AlternativeNames(uri, spec.hosts));
  const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  WL_CHECK(key != nullptr);
  const Certificate leaf = Draft(key.get(), spec.folder.substr(0, 60), spec.valid_seconds);
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(ca.get()));
  Extend(leaf.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE");
  Extend(leaf.get(), ca.get(), NID_key_usage, "critical,digitalSignature");
  Extend(leaf.get(), ca.get(), NID_ext_key_usage, "serverAuth,clientAuth");
  Extend(leaf.get(), ca.get(), NID_subject_alt_name, names);
  Extend(leaf.get(), ca.get(), NID_authority_key_identifier, "keyid");
  WL_CHECK(X509_sign(leaf.get(), ca_key.get(), EVP_sha256()) > 0);

  const fs::path link = fs::path(dir_) / spec.folder;
  std::error_code ignored;
  const std::string other = fs::read_symlink(link, ignored).string().ends_with(".a") ? ".b" : ".a";
  const std::string target = "." + spec.folder + other;
  const std::string fresh = (fs::path(dir_) / target).string();
  WL_RETURN_IF_ERROR(MakeFolder(fresh));
  WL_RETURN_IF_ERROR(WriteSecret(fresh + "/tls.key", PemOf(key.get())));
  WL_RETURN_IF_ERROR(WriteFile(fresh + "/tls.crt", PemOf(leaf.get())));
  WL_RETURN_IF_ERROR(WriteFile(fresh + "/ca.crt", PemOf(ca.get())));
  WL_RETURN_IF_ERROR(Relink(link, target));
  return IssuedCertificate{spec.folder, uri, ExpiresUnix(leaf.get())};
}

absl::StatusOr<std::vector<IssuedCertificate>> CertificateAuthority::List() const {
  WL_RETURN_IF_ERROR(ReadCertificate(dir_ + "/ca.crt").status());
  std::vector<IssuedCertificate> all;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(dir_, error)) {
    if (!entry.is_symlink()) continue;
    WL_ASSIGN_OR_RETURN(const Certificate leaf, ReadCertificate(entry.path() / "tls.crt"));
    all.push_back({.folder = entry.path().filename().string(),
                   .uri = tls::UriNameOf(leaf.get()),
                   .expires_unix = ExpiresUnix(leaf.get())});
  }
  if (error) return absl::UnavailableError(absl::StrCat(dir_, ": ", error.message()));
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.folder < b.folder; });
  return all;
}

}  // namespace waferline::cli
