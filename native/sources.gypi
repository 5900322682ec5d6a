{
  "variables": {
    "core_sources": [
    ],
    "addon_sources": [
      "native/addon/addon.cc",
      "native/addon/system.cc"
    ]
  }
}
