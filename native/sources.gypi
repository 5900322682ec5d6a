{
  "variables": {
    "core_sources": [
      "native/core/auth/crc32.cc",
      "native/core/auth/keyring.cc",
      "native/core/auth/md5.cc",
      "native/core/auth/sha1.cc",
      "native/core/auth/sha256.cc",
      "native/core/net/nl_message.cc",
      "native/core/peer/sequence.cc",
      "native/core/wire/base64.cc",
      "native/core/wire/decoder.cc",
      "native/core/wire/envelope.cc",
      "native/core/wire/hb_text.cc",
      "native/core/wire/hb_text_encode.cc",
      "native/core/wire/message.cc",
      "native/core/wire/serial_reader.cc"
    ],
    "addon_sources": [
      "native/addon/addon.cc",
      "native/addon/decode.cc",
      "native/addon/system.cc"
    ]
  }
}
