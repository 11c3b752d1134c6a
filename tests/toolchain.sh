# shellcheck shell=bash
# use_installed_toolchain: rust-toolchain.toml names an exact release, which rustup downloads when it has no
# toolchain of that name. Where the same release is installed as `stable`, that one will do, so that an
# offline machine builds too. Run at the top of the checkout.
use_installed_toolchain() {
  local channel
  channel=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
  if ! command -v rustup >/dev/null || rustup toolchain list | grep -q "^$channel-"; then
    return 0
  fi
  if [[ $(rustup run stable rustc --version 2>/dev/null) == "rustc $channel "* ]]; then
    export RUSTUP_TOOLCHAIN=stable
  fi
}
