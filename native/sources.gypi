{
  "variables": {
    "core_sources": [
      "native/core/net/nl_message.cc"
    ],
    "addon_sources": [
      "native/addon/addon.cc",
      "native/addon/system.cc"
    ]
  }
}
