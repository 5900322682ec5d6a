{
  "includes": ["native/sources.gypi"],
  "targets": [
    {
      "target_name": "twinbeat",
      "sources": ["<@(core_sources)", "<@(addon_sources)"],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_ENABLE_TYPE_CHECK_ON_AS=0"],
      "cflags": ["-Wall", "-Wextra", "-O2", "-g", "-fvisibility=hidden"],
      "cflags_cc!": ["-std=gnu++17", "-fexceptions", "-frtti"],
      "cflags_cc": ["-std=gnu++20", "-fno-exceptions", "-fno-rtti"],
      "ldflags": ["-Wl,-z,relro,-z,now"],
      "libraries": ["-lpthread"]
    }
  ]
}
