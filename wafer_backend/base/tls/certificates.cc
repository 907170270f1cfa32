#include "wafer_backend/base/tls/certificates.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <utility>

#include "absl/time/time.h"

namespace waferline::tls {

std::vector<X509Owner> CertificatesOf(const std::string& pem) {
  std::vector<X509Owner> all;
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  constexpr size_t kMaxChain = 16;
  while (all.size() < kMaxChain) {
    X509Owner one(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr), &X509_free);
    if (one == nullptr) break;
    all.push_back(std::move(one));
  }
  ERR_clear_error();  // the end of the text is an error, too
  BIO_free(bio);
  return all;
}

int64_t UnixSecondsOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return absl::ToUnixSeconds(absl::FromTM(parts, absl::UTCTimeZone()));
}

std::string UriNameOf(const X509* leaf) {
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr));
  std::string uri;
  int found = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    ++found;
    const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
    uri.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
               static_cast<size_t>(ASN1_STRING_length(text)));
  }
  GENERAL_NAMES_free(names);
  return found == 1 ? uri : "";
}

std::vector<std::string> HostNamesOf(const X509* leaf) {
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr));
  std::vector<std::string> hosts;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
    const ASN1_STRING* text = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    const unsigned char* data = ASN1_STRING_get0_data(text);
    const int size = ASN1_STRING_length(text);
    char address[INET6_ADDRSTRLEN] = "";
    if (name->type == GEN_DNS) {
      hosts.emplace_back(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
    } else if (inet_ntop(size == 4 ? AF_INET : AF_INET6, data, address, sizeof(address)) !=
                   nullptr &&
               (size == 4 || size == 16)) {
      hosts.emplace_back(address);
    }
  }
  GENERAL_NAMES_free(names);
  return hosts;
}

}  // namespace waferline::tls
