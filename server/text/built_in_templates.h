// Chat templates for models that are served without a file of their own, in the notation of their
// families (the marks are those of the model cards of Qwen, Llama 3, Mistral and Zephyr).
#pragma once

#include <string_view>

namespace waferline::text {

struct BuiltInTemplate {
  std::string_view name;
  std::string_view source;
};

inline constexpr BuiltInTemplate kBuiltInTemplates[] = {
    {"chatml", R"({% for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})"},
    {"llama3", R"({{ bos_token }}{% for message in messages -%}
<|start_header_id|>{{ message.role }}<|end_header_id|>

{{ message.content | trim }}<|eot_id|>
{%- endfor -%}
{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %})"},
    {"mistral", R"({{ bos_token }}
{%- set ns = namespace(system='') -%}
{% for message in messages -%}
{% if message.role == 'system' %}{% set ns.system = ns.system + message.content + '\n\n' %}
{%- elif message.role == 'user' -%}
{{ '[INST] ' + ns.system + message.content + ' [/INST]' }}{% set ns.system = '' %}
{%- else %}{{ ' ' + message.content + eos_token }}{% endif %}
{%- endfor %})"},
    {"zephyr", R"({% for message in messages -%}
<|{{ message.role }}|>
{{ message.content }}{{ eos_token }}
{% endfor -%}
{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %})"},
    {"plain", R"({% for message in messages -%}
{{ message.role | capitalize }}: {{ message.content }}
{% endfor -%}
{% if add_generation_prompt %}Assistant:{% endif %})"},
};

}  // namespace waferline::text
