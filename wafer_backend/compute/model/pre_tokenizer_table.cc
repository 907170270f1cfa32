#include "wafer_backend/compute/model/pre_tokenizer_table.h"

namespace waferline::model {
namespace {

using Step = CutStep;

#define WL_CONTRACTION R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
#define WL_WORD R"([^\r\n\p{L}\p{N}]?\p{L}+)"
#define WL_SYMBOLS R"( ?[^\s\p{L}\p{N}]+[\r\n]*)"
#define WL_SYMBOLS_AND_SLASHES R"( ?[^\s\p{L}\p{N}]+[\r\n/]*)"
#define WL_LINES R"(\s*[\r\n]+)"
#define WL_SPACES R"(\s+(?!\S)|\s+)"
#define WL_END "|" WL_LINES "|" WL_SPACES
#define WL_UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define WL_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
// The same without Han characters, as what is left of all classes of characters.
#define WL_UPPER_NOT_HAN R"([^\p{Ll}\p{N}\p{P}\p{S}\p{Z}\p{C}\p{Han}])"
#define WL_LOWER_NOT_HAN R"([^\p{Lu}\p{Lt}\p{N}\p{P}\p{S}\p{Z}\p{C}\p{Han}])"
// "Word", "WORD", each with what may follow it.
#define WL_CASED(upper, lower, end)               \
  R"([^\r\n\p{L}\p{N}]?)" upper "*" lower "+" end \
  "|"                                             \
  R"([^\r\n\p{L}\p{N}]?)" upper "+" lower "*" end
#define WL_CASED_WITH_CONTRACTION(upper, lower) WL_CASED(upper, lower, WL_CONTRACTION "?")
#define WL_PUNCTUATION_WORDS                           \
  R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)" \
  R"(|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+)"
#define WL_GPT2 R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|)" WL_SPACES
#define WL_ASCII_SYMBOLS R"(\$\+<=>\^~\|)"

// Lu, Ll and Lt without the mathematical alphabets and younger scripts.
#define WL_CASED_LETTERS                                                                    \
  R"(A-Za-z\x{00B5}\x{00C0}-\x{00D6}\x{00D8}-\x{00F6}\x{00F8}-\x{01BA}\x{01BC}-\x{01BF})"   \
  R"(\x{01C4}-\x{0293}\x{0295}-\x{02AF}\x{0370}-\x{0373}\x{0376}\x{0377}\x{037B}-\x{037D})" \
  R"(\x{037F}\x{0386}\x{0388}-\x{038A}\x{038C}\x{038E}-\x{03A1}\x{03A3}-\x{03F5})"          \
  R"(\x{03F7}-\x{0481}\x{048A}-\x{052F}\x{0531}-\x{0556}\x{10A0}-\x{10C5})"                 \
  R"(\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF})"                 \
  R"(\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15})"                 \
  R"(\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B})" \
  R"(\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4})" \
  R"(\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC})"                 \
  R"(\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115})"          \
  R"(\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139})"  \
  R"(\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B})"          \
  R"(\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B})" \
  R"(\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF})"                 \
  R"(\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A})"                 \
  R"(\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2})"         \
  R"(\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943})"

constexpr Step kGpt2[] = {{Step::kIsolate, WL_GPT2}};
constexpr Step kDigitsGpt2[] = {{Step::kIsolate, R"(\p{N})"}, {Step::kIsolate, WL_GPT2}};
constexpr Step kLlama3[] = {
    {Step::kIsolate, WL_CONTRACTION "|" WL_WORD R"(|\p{N}{1,3}|)" WL_SYMBOLS WL_END}};
constexpr Step kJais2[] = {
    {Step::kIsolate, WL_CONTRACTION "|" WL_WORD R"(|\p{N}{1,3}|)" WL_SYMBOLS WL_END,
     WL_CONTRACTION
     "|" WL_WORD R"(|\p{N}{1,3}|)" WL_SYMBOLS "|" WL_LINES
     R"(|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S))"
     R"(|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})"},
    // Spaces alone, without ends of lines.
    {Step::kIsolate,
     R"((?:^(?=\s++$)(?!\s*[\r\n])|(?!^)\G))"
     R"((?:\s{512}|\s{256}|\s{128}|\s{64}|\s{32}|\s{16}|\s{8}|\s{4}|\s{1,2}))",
     ""}};
constexpr Step kQwen2[] = {
    {Step::kIsolate, WL_CONTRACTION "|" WL_WORD R"(|\p{N}|)" WL_SYMBOLS WL_END}};
constexpr Step kNoContraction[] = {{Step::kIsolate, WL_WORD R"(|\p{N}|)" WL_SYMBOLS WL_END}};
constexpr Step kQwen35[] = {
    {Step::kIsolate, WL_CONTRACTION
     R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" WL_END}};
constexpr Step kGpt4o[] = {
    {Step::kIsolate, WL_CASED_WITH_CONTRACTION(
                         WL_UPPER, WL_LOWER) R"(|\p{N}{1,3}|)" WL_SYMBOLS_AND_SLASHES WL_END}};
constexpr Step kTekken[] = {
    {Step::kIsolate, WL_CASED(WL_UPPER, WL_LOWER, "") R"(|\p{N}|)" WL_SYMBOLS_AND_SLASHES WL_END}};
constexpr Step kKimi[] = {
    {Step::kIsolate, R"(\p{Han}+|)" WL_CASED_WITH_CONTRACTION(
                         WL_UPPER_NOT_HAN, WL_LOWER_NOT_HAN) R"(|\p{N}{1,3}|)" WL_SYMBOLS WL_END}};
constexpr Step kYoutu[] = {
    {Step::kIsolate,
     R"([\x{AC00}-\x{D7A3}\x{3131}-\x{318E}]+)"
     R"(|[\x{FF01}\x{2026}\x{201C}\x{201D}\x{2018}\x{2019}\x{2014}\x{FF1A}\x{FF1B}\x{FF0C})"
     R"(\x{3001}-\x{303F}\x{FE30}-\x{FE4F}]+|[\x{3105}-\x{312F}]+)"
     R"(|[\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)"},
    {Step::kIsolate,
     WL_CASED_WITH_CONTRACTION(WL_UPPER, WL_LOWER) R"(|\p{N}|)" WL_SYMBOLS_AND_SLASHES WL_END}};
constexpr Step kTinyAya[] = {
    {Step::kIsolate, R"(\d++(*SKIP)(?![\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\xb2\xb3\xb9\xbc-\xbe]))",
     R"(\d{1,3}(?=(?:\d{3})*\b))"},
    {Step::kThousands, R"(^\d+$)", ""},
    {Step::kIsolate, WL_CASED_WITH_CONTRACTION(
                         WL_UPPER, WL_LOWER) R"(|\p{N}{1,3}|)" WL_SYMBOLS_AND_SLASHES WL_END}};

#define WL_HAN_AND_KANA R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)"
#define WL_HAN_AND_HANGUL R"([\x{4E00}-\x{9FA5}\x{0800}-\x{4E00}\x{AC00}-\x{D7FF}]+)"
constexpr Step kDeepSeekLlm[] = {
    {Step::kIsolate, R"([\r\n])"},
    {Step::kIsolate, R"(\s?[)" WL_CASED_LETTERS R"(]+)"},
    {Step::kIsolate, R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F})"
                     R"(\x{3000}-\x{3002}]+)"},
    {Step::kIsolate, R"(\s++(*SKIP)$)", R"(\s+$)"},
    {Step::kIsolate, WL_HAN_AND_HANGUL},
    {Step::kIsolate, R"(\p{N})"}};
constexpr Step kDeepSeekCoder[] = {{Step::kIsolate, R"([\r\n])"},
                                   {Step::kIsolate, R"(\s?\p{L}+)"},
                                   {Step::kIsolate, R"(\s?\p{P}+)"},
                                   {Step::kIsolate, WL_HAN_AND_HANGUL},
                                   {Step::kIsolate, R"(\p{N})"}};
constexpr Step kDeepSeekV3[] = {{Step::kIsolate, R"(\p{N}{1,3})"},
                                {Step::kIsolate, WL_HAN_AND_KANA},
                                {Step::kIsolate, WL_PUNCTUATION_WORDS R"([\r\n]*)" WL_END}};
constexpr Step kSpark[] = {{Step::kIsolate, R"(\p{N}{1,3})"},
                           {Step::kIsolate, WL_HAN_AND_KANA},
                           {Step::kIsolate, WL_PUNCTUATION_WORDS R"(|[\r\n]|)" WL_SPACES},
                           {Step::kIsolate, R"(\p{N})"}};
constexpr Step kAfmoe[] = {
    {Step::kIsolate, R"(\p{N}+)"},
    {Step::kThousands, R"(\p{N}+)", R"((?=(?:\p{N}{3})+$))"},
    {Step::kIsolate,
     R"([\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{F900}-\x{FAFF}\x{3040}-\x{309F}\x{30A0}-\x{30FF})"
     R"(\x{FF65}-\x{FF9F}\x{2F00}-\x{2FDF}\x{0E40}-\x{0E7F}\x{0E80}-\x{0EFF}\x{1780}-\x{17FF})"
     R"(\x{1000}-\x{109F}\x{AA60}-\x{AA7F}\x{A9E0}-\x{A9FF}\x{AC00}-\x{D7AF}\x{1100}-\x{11FF}]+)"},
    {Step::kIsolate, WL_PUNCTUATION_WORDS R"([\r\n]*)" WL_END}};

constexpr Step kDefault[] = {{Step::kIsolate, R"([\p{P})" WL_ASCII_SYMBOLS "]+"},
                             {Step::kIsolate, WL_GPT2},
                             {Step::kIsolate, R"(\p{N}+)"},
                             {Step::kIsolate, "[0-9][0-9][0-9]"}};
// Its third step works on what the byte alphabet makes of the text, where six bytes that are parts
// of characters look like numbers.
constexpr Step kFalcon[] = {{Step::kIsolate, R"([\p{P})" WL_ASCII_SYMBOLS "`]+"},
                            {Step::kIsolate, WL_GPT2},
                            {Step::kIsolateBytes, R"([0-9\xb2\xb3\xb9\xbc-\xbe]+)", R"(\p{N}+)"},
                            {Step::kIsolateBytes, "[0-9][0-9][0-9]"}};
#define WL_BLOOM R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{0964}\x{06D4}\x{060C})]+)"
constexpr Step kBloom[] = {{Step::kIsolate, WL_BLOOM}};
constexpr Step kViking[] = {{Step::kIsolate, WL_BLOOM}, {Step::kIsolate, R"(\p{N})"}};
constexpr Step kChameleon[] = {
    {Step::kIsolate, "<sentinel:[0-9]+>"},       {Step::kIsolate, "IMGIMG[A-I]{1,4}Z"},
    {Step::kIsolate, R"([\t\n]|    |  )"},       {Step::kIsolate, R"(\p{N})"},
    {Step::kIsolate, R"([\p{P}!-/:-@\[-`{-~])"}, {Step::kIsolate, WL_GPT2}};
constexpr Step kSuperBpe[] = {{Step::kIsolate, R"(\p{N}+)"},
                              {Step::kThousands, R"(\d+)", R"((?=(\d{3})+(?!\d)))"}};
constexpr Step kBailing[] = {{Step::kIsolate, R"('(?i:[sdmt]|ll|ve|re)|)" WL_WORD
                                              R"(|\p{N}|)" WL_SYMBOLS R"(|\s*[\r\n]|)" WL_SPACES}};
constexpr Step kSeedCoder[] = {
    {Step::kIsolate, WL_CONTRACTION "|" WL_WORD R"(|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+)" WL_END}};
constexpr Step kLaguna[] = {
    {Step::kIsolate, R"([^\n]+|[\n]+)"},
    {Step::kIsolate, WL_CONTRACTION "|" WL_WORD R"(|\p{N}|)" WL_SYMBOLS WL_END}};
constexpr Step kExaoneMoe[] = {
    {Step::kIsolate, WL_CONTRACTION
     R"(|[^\r\n\p{L}\p{N}]?\p{L}[\p{L}\p{M}]*(?: \p{L}[\p{L}\p{M}]*)*+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?)"
     R"(|\s*[\r\n]|)" WL_SPACES}};
constexpr Step kMiniCpm5[] = {
    {Step::kIsolate, R"(\p{N}{1,3})"},
    {Step::kIsolate, WL_CONTRACTION "|" WL_WORD R"(|\p{N}+|)" WL_SYMBOLS WL_END}};

constexpr PreTokenizerRow kRows[] = {
    {.name = "default", .steps = kDefault},
    {.name = "gpt-2", .steps = kGpt2},
    {.name = "phi-2", .steps = kGpt2},
    {.name = "jina-es", .steps = kGpt2},
    {.name = "jina-de", .steps = kGpt2},
    {.name = "jina-v1-en", .steps = kGpt2},
    {.name = "jina-v2-es", .steps = kGpt2},
    {.name = "jina-v2-de", .steps = kGpt2},
    {.name = "jina-v2-code", .steps = kGpt2},
    {.name = "roberta-bpe", .steps = kGpt2},
    {.name = "gigachat", .steps = kGpt2},
    {.name = "a.x-4.0", .steps = kGpt2},
    {.name = "mellum", .steps = kGpt2},
    {.name = "modern-bert", .steps = kGpt2, .nfc = true},
    {.name = "mpt", .steps = kGpt2, .nfc = true},
    {.name = "olmo", .steps = kGpt2, .nfc = true},
    {.name = "jais", .steps = kGpt2},
    {.name = "trillion", .steps = kGpt2},
    {.name = "granite-docling", .steps = kGpt2},
    {.name = "exaone4", .steps = kGpt2},
    {.name = "smollm", .steps = kDigitsGpt2},
    {.name = "starcoder", .steps = kDigitsGpt2},
    {.name = "refact", .steps = kDigitsGpt2},
    {.name = "command-r", .steps = kDigitsGpt2, .nfc = true},
    {.name = "codeshell", .steps = kDigitsGpt2},
    {.name = "exaone", .steps = kDigitsGpt2},
    {.name = "minerva-7b", .steps = kDigitsGpt2},
    {.name = "mellum2", .steps = kDigitsGpt2},
    {.name = "llama3", .steps = kLlama3, .whole_words = true, .adds_bos = true},
    {.name = "llama-v3", .steps = kLlama3, .whole_words = true, .adds_bos = true},
    {.name = "llama-bpe", .steps = kLlama3, .whole_words = true, .adds_bos = true},
    {.name = "falcon3", .steps = kLlama3, .whole_words = true, .adds_bos = true},
    {.name = "falcon-h1", .steps = kLlama3, .whole_words = true, .adds_bos = true},
    {.name = "pixtral", .steps = kLlama3, .whole_words = true, .adds_bos = true},
    {.name = "midm-2.0", .steps = kLlama3, .whole_words = true, .adds_bos = true},
    {.name = "lfm2", .steps = kLlama3, .whole_words = true, .adds_bos = true},
    {.name = "jina-v5-nano", .steps = kLlama3, .whole_words = true, .adds_bos = true},
    {.name = "jais-2", .steps = kJais2},
    {.name = "dbrx", .steps = kLlama3},
    {.name = "smaug-bpe", .steps = kLlama3},
    {.name = "glm4", .steps = kLlama3},
    {.name = "chatglm-bpe", .steps = kLlama3},
    {.name = "qwen2", .steps = kQwen2, .nfc = true},
    {.name = "deepseek-r1-qwen", .steps = kQwen2, .nfc = true},
    {.name = "stablelm2", .steps = kQwen2, .nfc = true},
    {.name = "hunyuan", .steps = kQwen2, .nfc = true},
    {.name = "megrez", .steps = kQwen2, .nfc = true},
    {.name = "kormo", .steps = kQwen2},
    {.name = "f2llmv2", .steps = kQwen2, .nfc = true},
    {.name = "solar-open", .steps = kQwen2},
    {.name = "grok-2", .steps = kQwen2},
    {.name = "qwen35", .steps = kQwen35, .nfc = true},
    {.name = "ufakzeka", .steps = kNoContraction},
    {.name = "laguna", .steps = kLaguna},
    {.name = "gpt-4o", .steps = kGpt4o},
    {.name = "llama4", .steps = kGpt4o},
    {.name = "kanana2", .steps = kGpt4o},
    {.name = "talkie", .steps = kGpt4o},
    {.name = "minimax-m2", .steps = kGpt4o},
    {.name = "granite-embed-multi-97m", .steps = kGpt4o, .whole_words = true},
    {.name = "tekken", .steps = kTekken, .whole_words = true, .adds_bos = true},
    {.name = "kimi-k2", .steps = kKimi},
    {.name = "youtu", .steps = kYoutu, .whole_words = true},
    {.name = "tiny_aya", .steps = kTinyAya},
    {.name = "cohere2moe", .steps = kTinyAya},
    {.name = "deepseek-llm", .steps = kDeepSeekLlm},
    {.name = "deepseek-coder", .steps = kDeepSeekCoder},
    {.name = "deepseek-v3", .steps = kDeepSeekV3},
    {.name = "hunyuan-dense", .steps = kDeepSeekV3},
    {.name = "hy_v4", .steps = kDeepSeekV3},
    {.name = "joyai-llm", .steps = kDeepSeekV3},
    {.name = "spark2_5", .steps = kSpark},
    {.name = "afmoe", .steps = kAfmoe},
    {.name = "falcon", .steps = kFalcon},
    {.name = "bloom", .steps = kBloom},
    {.name = "poro-chat", .steps = kBloom},
    {.name = "gpt3-finnish", .steps = kBloom},
    {.name = "viking", .steps = kViking},
    {.name = "chameleon", .steps = kChameleon, .adds_bos = true},
    {.name = "superbpe", .steps = kSuperBpe},
    {.name = "bailingmoe", .steps = kBailing},
    {.name = "bailingmoe2", .steps = kBailing},
    {.name = "llada-moe", .steps = kBailing},
    {.name = "seed-coder", .steps = kSeedCoder},
    {.name = "exaone-moe", .steps = kExaoneMoe},
    {.name = "minicpm5", .steps = kMiniCpm5, .whole_words = true},
};

}  // namespace

std::span<const PreTokenizerRow> PreTokenizerRows() { return kRows; }

}  // namespace waferline::model
