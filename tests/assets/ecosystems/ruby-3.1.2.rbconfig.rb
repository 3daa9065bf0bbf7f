# encoding: ascii-8bit
# frozen-string-literal: false
#
# The module storing Ruby interpreter configurations on building.
#
# This file was created by mkconfig.rb when ruby was built.  It contains
# build information for ruby which is used e.g. by mkmf to build
# compatible native extensions.  Any changes made to this file will be
# lost the next time ruby is built.
module RbConfig
  RUBY_VERSION.start_with?("3.1.") or
    raise "ruby lib version (3.1.2) doesn't match executable version (#{RUBY_VERSION})"
  CONFIG = {}
  CONFIG["MAJOR"] = "3"
  CONFIG["MINOR"] = "1"
  CONFIG["TEENY"] = "2"
  CONFIG["PATCHLEVEL"] = "20"
  CONFIG["EXEEXT"] = ""
  CONFIG["ruby_install_name"] = "$(RUBY_BASE_NAME)3.1"
  CONFIG["RUBY_INSTALL_NAME"] = "$(RUBY_BASE_NAME)3.1"
  CONFIG["ruby_version"] = "3.1.0"
  CONFIG["arch"] = "x86_64-linux-gnu"
  CONFIG["RUBY_BASE_NAME"] = "ruby"
  CONFIG["RUBY_PROGRAM_VERSION"] = "$(MAJOR).$(MINOR).$(TEENY)"
  CONFIG["RUBY_API_VERSION"] = "$(MAJOR).$(MINOR)"
  CONFIG["topdir"] = File.dirname(__FILE__)
end
