# -*- encoding: utf-8 -*-
# stub: hull-native 1.15.4.rc1 x86_64-linux lib

Gem::Specification.new do |s|
  s.name = "hull-native".freeze
  s.version = "1.15.4.rc1"
  s.platform = "x86_64-linux".freeze

  s.required_rubygems_version = Gem::Requirement.new("> 1.3.1".freeze) if s.respond_to? :required_rubygems_version=
  s.require_paths = ["lib".freeze]
  s.authors = ["x".freeze]
  s.date = "2026-11-27"
  s.homepage = "https://example.com".freeze
  s.licenses = ["MIT".freeze]
  s.rubygems_version = "3.3.15".freeze
  s.summary = "x".freeze

  s.installed_by_version = "3.3.15" if s.respond_to? :installed_by_version
end
